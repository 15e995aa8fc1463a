"""How the model runs on this machine: as the settings say, and for `auto` as suits the device.

Measured choices are stored in the run directory, in a file per kind of device: a shard or a resumed run that measured
again could choose differently, and its pictures would differ in their last bits. So is the batch size that a requested
one came to, because the free memory changes too.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from eval.base.errors import InputError
from eval.base.printing import say
from eval.config.checks import ATTENTION
from eval.config.settings import AUTO, EngineSettings
from eval.generate.pace import measured_units
from eval.generate.trials import try_attention, try_channels_last, try_compiling, try_rows
from eval.plan.batches import Rows, calls_per_picture, most_units
from eval.plan.memory import filled_batch, fitting_batch, most_rows
from eval.plan.plan import Plan, Size
from eval.store.rundir import RunDir
from sld.models import LoadedModel
from sld.tuning import Tuning

log = logging.getLogger(__name__)

# Images of a run, all shards: on an H200 compiling takes some 110 s, 85 of them once per machine, and saves 0.09 s per
# image.
COMPILED_FROM = 2000
CPU_ROWS = 8, 32  # of a denoiser call on a CPU: of large pictures more gain nothing, of small ones they do
CPU_PIXELS = 8 * 512 * 512  # of the pictures in such a call, within these numbers of rows
CHOICES = ("batch_size", "channels_last", "attention", "compile")
# Further keys of the stored choices: the requested batch size, the units of a batch, and batch sizes by picture size.
REQUESTED, UNITS, SMALLER = "asked_batch_size", "units_per_batch", "smaller_batch_sizes"
# There if the batch size was all that the run could fill, since one that has grown chooses again: those rows, and the
# denoiser calls of a picture by which they were counted. Older versions took one per step.
FILLED, CALLS = "rows_of_run", "calls_per_picture"
DECODER = "compile_decoder"  # there if it is compiled
FUSED = ("flash", "cudnn", "efficient")  # worth measuring; the math kernel writes all scores to memory


@dataclass(frozen=True)
class Engine:
    """The choices in effect.

    Attributes:
        batch_size: rows of a denoiser call.
        tuning: of the model.
        background: whether judging and writing have a thread of their own.
        units: drawn at a time, at the usual picture size; None for what pads the fewest rows.
        smaller: rows of a call at picture sizes (height, width) for which the memory did not suffice.
    """

    batch_size: int
    tuning: Tuning
    background: bool
    units: int | None = None
    smaller: Mapping[Size, int] = field(default_factory=dict)


@torch.backends.cudnn.flags(enabled=True, allow_tf32=False)  # as while drawing
def choose_engine(
    run: RunDir,
    plan: Plan,
    model: LoadedModel,
    settings: EngineSettings,
    requested_batch: int | str,
    workers: int | str,
) -> Engine:
    """Return the choices for this device and apply them to the model.

    Those left to `auto` are taken from an earlier process of the run on this kind of device, or made now and stored.

    Args:
        run: the directory, which stores them.
        plan: of the run.
        model: on its device.
        settings: the user's choices.
        requested_batch: rows of a denoiser call, or auto.
        workers: processes that share the memory of a CPU; auto for one.

    Raises:
        InputError: the device lacks the kind of attention, or memory for one picture.
    """
    device = model.device
    stored = _valid_choices(run, device, plan)
    calls, cuda = calls_per_picture(model, plan), device.type == "cuda"
    long = cuda and len(plan.images) >= COMPILED_FROM
    height, width = plan.usual_size
    if cuda and not stored and AUTO in (settings.attention, settings.channels_last):
        say("Measuring what is fastest here …", sys.stderr)

    def pick(name: str, value, choose):
        """Return the user's value, or the stored one, or a new choice."""
        return value if value != AUTO else stored[name] if name in stored else choose()

    check_attention(settings.attention, device)
    # Channels-last is measured last, since it needs the attention.
    layout = pick("channels_last", settings.channels_last, lambda: False)
    model.tune(Tuning(channels_last=layout, attention="math" if settings.attention == "math" else None))
    batch_size = _batch_size(plan, model, requested_batch, workers, stored, calls)
    attention = pick(
        "attention", settings.attention, lambda: try_attention(model, plan, batch_size, FUSED) if cuda else "default"
    )
    tuning = Tuning(layout, None if attention == "default" else attention)
    layout_is_open = cuda and settings.channels_last == AUTO and not stored
    if layout_is_open:
        tuning = replace(tuning, channels_last=try_channels_last(model, plan, tuning, batch_size))
    # Of a run that did not record it the decoder was not compiled.
    decoder = stored.get(DECODER, False) if stored else cuda
    # Compiled convolutions are channels-last in any case, uncompiled ones may lose by it.
    fast = Tuning(tuning.channels_last or layout_is_open, tuning.attention, compiled=True, compiled_decoder=decoder)
    if pick("compile", settings.compile, lambda: long and try_compiling(model, plan, tuning, fast, batch_size)):
        tuning = fast
    layout, compiled = tuning.channels_last, tuning.compiled
    model.tune(tuning, height, width)
    same = stored.get("batch_size") == batch_size
    units = stored[UNITS] if same and stored[UNITS] else measured_units(model, plan, batch_size, compiled)
    chosen = {"channels_last": layout, "batch_size": batch_size, "attention": attention, "compile": compiled}
    chosen |= {REQUESTED: requested_batch, UNITS: units} | ({DECODER: True} if tuning.compiled_decoder else {})
    if batch_size == most_rows(plan, calls):
        chosen |= {FILLED: batch_size, CALLS: calls}
    if not stored and not run.create_engine(kind_of(device), chosen):
        if _valid_choices(run, device, plan):  # another process was first, and its choices are in effect
            return choose_engine(run, plan, model, settings, requested_batch, workers)
        run.replace_engine(kind_of(device), chosen)
    background = cuda if settings.background == AUTO else settings.background
    return Engine(batch_size, tuning, background, units, stored[SMALLER] if same else {})


def _batch_size(
    plan: Plan, model: LoadedModel, requested: int | str, workers: int | str, stored: Mapping, calls: int
) -> int:
    """Return the rows of a denoiser call: an earlier process's unless another number is asked, else a new choice."""
    cuda = model.device.type == "cuda"
    if _keeps_size(stored, requested):
        size = stored["batch_size"]
        if requested not in (AUTO, size):
            log.info("batch_size=%d came to %d when this run started: keeping that.", requested, size)
        # Other processes of the run may share the memory, and have taken theirs: all that is free now is this one's.
        return size if cuda else fitting_batch(model, plan, size)
    if requested == AUTO and cuda:
        fitting = try_rows(model, plan)
        log.info("batch_size=%d fits %s", fitting, kind_of(model.device))
        return min(fitting, most_rows(plan, calls))
    auto = requested == AUTO
    size = min(_cpu_rows(plan.usual_size), most_rows(plan, calls)) if auto else filled_batch(plan, requested, calls)
    return fitting_batch(model, plan, size, 1 if workers == AUTO else workers)


def _keeps_size(stored: Mapping, requested: int | str) -> bool:
    """Return whether a request leaves the batch size of an earlier process in effect."""
    return bool(stored) and requested in (AUTO, stored[REQUESTED], stored["batch_size"])


def _cpu_rows(size: Size) -> int:
    """Return the rows of a denoiser call on a CPU for pictures of a size (height, width), where the plan fills them."""
    fewest, most = CPU_ROWS
    return min(most, max(fewest, CPU_PIXELS // (size[0] * size[1])))


def check_attention(attention: str, device: torch.device) -> None:
    """Refuse a kind of attention that a device does not have."""
    if device.type != "cuda" and attention in ("cudnn", "efficient"):
        raise InputError(f"engine.attention={attention} must have a GPU, found {device}: leave it at auto")


def keep_smaller_batch(run: RunDir, plan: Plan, device: torch.device, requested: int | str, rows: Rows) -> None:
    """Store batch sizes that fitted, with which later processes of the run start unless the user changes the request.

    If two processes store at the same moment, what one of them has stored can be lost: a later process then halves a
    batch once more, as they did.

    Args:
        run: the directory.
        plan: of the run.
        device: on which they fitted.
        requested: the batch size that this process requested.
        rows: of a denoiser call, that fitted.
    """
    stored = _stored_choices(run, device, plan)
    if not _keeps_size(stored, requested):
        return
    smaller = dict(stored[SMALLER])
    for size, number in rows.smaller.items():
        smaller[size] = min(number, smaller.get(size, number))
    chosen = stored | {"batch_size": min(rows.usual, stored["batch_size"])}
    chosen[UNITS] = stored[UNITS] and min(stored[UNITS], most_units(chosen["batch_size"], plan.guided))
    chosen[SMALLER] = {f"{height}x{width}": number for (height, width), number in smaller.items()}
    run.replace_engine(kind_of(device), {key: value for key, value in chosen.items() if value not in (None, {})})


def kind_of(device: torch.device) -> str:
    """Return a file name for the kind of device; on one kind, pictures are equal to the bit."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


def _valid_choices(run: RunDir, device: torch.device, plan: Plan) -> dict:
    """Return the stored choices, empty if they are of calls as small as the run was, which has grown since."""
    stored = _stored_choices(run, device, plan)
    filled = stored.get(FILLED)
    if not filled or stored["batch_size"] < filled:
        return stored
    return {} if most_rows(plan, stored[CALLS] or plan.protocol.steps) > filled else stored


def _stored_choices(run: RunDir, device: torch.device, plan: Plan) -> dict:
    """Return the choices of an earlier process, empty if there are none or their file is damaged."""
    document = run.read_engine(kind_of(device)) or {}
    size, layout, attention, compiled = (document.get(key) for key in CHOICES)
    usable = type(size) is int and size > 0 and type(layout) is type(compiled) is bool and attention in ATTENTION
    if not usable or attention == AUTO:
        return {}
    # Older versions did not store the request, and never changed it; nor units, which change no picture.
    units, requested = document.get(UNITS), document.get(REQUESTED, size)
    return {key: document[key] for key in CHOICES} | {
        REQUESTED: requested,
        UNITS: units if type(units) is int and 0 < units <= most_units(size, plan.guided) else None,
        SMALLER: _sizes(document.get(SMALLER)),
        **{key: n if type(n := document.get(key)) is int and n > 0 else None for key in (FILLED, CALLS)},
        **({DECODER: True} if document.get(DECODER) is True else {}),
    }


def _sizes(smaller: object) -> dict[Size, int]:
    """Return batch sizes by (height, width) from the text of a size; without what can't be one."""
    found = {}
    for text, rows in smaller.items() if isinstance(smaller, dict) else ():
        match = re.fullmatch(r"(\d+)x(\d+)", text)
        if match and type(rows) is int and rows > 0:
            found[int(match[1]), int(match[2])] = rows
    return found
