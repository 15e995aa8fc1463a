"""How this machine runs the model: what the settings say, and for `auto` what suits the device.

What was measured is kept in the run directory, a file a kind of device: a shard or a resumed run that measured again
could choose otherwise, and its pictures would differ in their last bits. So is what became of a batch size that was
asked for, since how much memory is free changes too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

import sld
from eval.base.errors import InputError
from eval.config.checks import ATTENTION
from eval.config.keys import MODEL, as_keys
from eval.config.settings import AUTO, EngineSettings
from eval.generate.background import DEPTH
from eval.plan.memory import filled_batch, fitting_batch
from eval.plan.plan import Plan
from eval.store.rundir import RunDir
from sld.decoding import LARGEST_CHUNK, decode_images
from sld.models import LoadedModel, Model
from sld.tuning import Tuning, fastest_attention, largest_batch, out_of_memory

log = logging.getLogger(__name__)

COMPILED_FROM = 2000  # images of a run, all shards: below it a minute of compiling is not won back
CPU_BATCH = 8  # larger batches gain little on a CPU
CHOICES = ("batch_size", "channels_last", "attention", "compile")
ASKED = "asked_batch_size"  # what a batch size was chosen for
FUSED = ("flash", "cudnn", "efficient")  # worth measuring; the other one writes all scores to memory


@dataclass(frozen=True)
class Engine:
    """What the choices came to. `background` is whether judging and writing have a thread of their own."""

    batch_size: int
    tuning: Tuning
    background: bool


def choose_engine(
    run: RunDir, plan: Plan, model: LoadedModel, asked: EngineSettings, asked_batch: int | str, workers: int | str
) -> Engine:
    """Return the choices for this device and apply them to the model.

    Those left to `auto` are a former process's of this run on this kind of device, or made now and kept for the next.

    Args:
        run: the directory, which keeps them.
        plan: of the run.
        model: on its device.
        asked: the user's choices.
        asked_batch: rows of a denoiser call, or auto.
        workers: processes that share a CPU's memory; auto for one.
    """
    device = model.device
    standing = _standing(run, device)
    cuda = device.type == "cuda"
    height, width = plan.usual_size

    def pick(name: str, value, choose):
        """The user's value, or the run's, or what is chosen now."""
        return value if value != AUTO else standing[name] if name in standing else choose()

    check_attention(asked.attention, device)
    layout = pick("channels_last", asked.channels_last, lambda: cuda)
    model.tune(Tuning(channels_last=layout, attention="math" if asked.attention == "math" else None))
    batch_size = _batch_size(plan, model, asked_batch, workers, standing)
    attention = pick("attention", asked.attention, lambda: _fastest(model, plan, batch_size) if cuda else "default")
    tuning = Tuning(layout, None if attention == "default" else attention)
    long = cuda and len(plan.images) >= COMPILED_FROM
    compiled = pick("compile", asked.compile, lambda: long and _compiles(model, plan, tuning, batch_size))
    chosen = {"channels_last": layout, "batch_size": batch_size, "attention": attention, "compile": compiled}
    chosen[ASKED] = asked_batch
    if not standing and not run.create_engine(kind_of(device), chosen):
        if _standing(run, device):  # another process was first: its choices are in force
            return choose_engine(run, plan, model, asked, asked_batch, workers)
        run.replace_engine(kind_of(device), chosen)
    tuning = replace(tuning, compiled=compiled)
    model.tune(tuning, height, width)
    return Engine(batch_size, tuning, cuda if asked.background == AUTO else asked.background)


def _batch_size(plan: Plan, model: LoadedModel, asked: int | str, workers: int | str, standing: Mapping) -> int:
    """The rows of a denoiser call: those of a former process that was asked the same, else what is chosen now."""
    cuda = model.device.type == "cuda"
    if standing and asked in (AUTO, standing[ASKED]):
        size = standing["batch_size"]
        if asked not in (AUTO, size):
            log.info("batch_size=%d came to %d when this run started: keeping that.", asked, size)
        # Others of the run may share the memory by now, and have taken theirs: the whole of what is left is this one's.
        return size if cuda else fitting_batch(model, plan, size)
    if asked == AUTO and cuda:
        return _fitting(model, plan)  # measured, so it fits
    size = CPU_BATCH if asked == AUTO else filled_batch(plan, asked)
    return fitting_batch(model, plan, size, 1 if workers == AUTO else workers)


def check_attention(attention: str, device: torch.device) -> None:
    """Raise InputError for a kind of attention that a device does not have."""
    if device.type != "cuda" and attention in ("cudnn", "efficient"):
        raise InputError(f"engine.attention={attention} is for a GPU, found {device}: leave it at auto")


def keep_smaller_batch(run: RunDir, device: torch.device, asked: int | str, batch_size: int) -> None:
    """Have later processes of the run start with the batch size that fitted, unless the user names another one.

    `asked` is what this process was asked for.
    """
    standing = _standing(run, device)
    if standing and asked in (AUTO, standing[ASKED]) and batch_size < standing["batch_size"]:
        run.replace_engine(kind_of(device), standing | {"batch_size": batch_size})


def kind_of(device: torch.device) -> str:
    """A name for the kind of device, fit for a file: bits are the same on one kind."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


def _standing(run: RunDir, device: torch.device) -> dict:
    """What a former process chose, or nothing: not all of it can be read where the file is damaged."""
    found = run.read_engine(kind_of(device)) or {}
    size, layout, attention, compiled = (found.get(key) for key in CHOICES)
    usable = type(size) is int and size > 0 and type(layout) is type(compiled) is bool and attention in ATTENTION
    if not usable or attention == AUTO:
        return {}
    # Before it was on record what was asked for, it was taken as it was.
    return {key: found[key] for key in CHOICES} | {ASKED: found.get(ASKED, size)}


def _fitting(model: LoadedModel, plan: Plan) -> int:
    """The batch size that fills the free memory: the denoiser's at its most, one chunk of the decoder, what waits."""
    # All methods on a trajectory of their own, as late in a run: no call needs more.
    methods = [_without_warm_up(method) for method in plan.methods]
    height, width = plan.usual_size
    latents = torch.zeros(LARGEST_CHUNK, *model.latent_shape(height, width), device=model.device)
    found = largest_batch(
        lambda rows: two_calls(model, plan, methods, rows),
        model.device,
        fixed=lambda: decode_images(model, latents, LARGEST_CHUNK),
        row_bytes=(DEPTH + 2) * len(methods) * height * width * 3,
    )
    log.info("batch_size=%d fits %s", found, kind_of(model.device))
    return found


def _compiles(model: LoadedModel, plan: Plan, tuning: Tuning, batch_size: int) -> bool:
    """Whether compiling works here, tried: what else it needs than a compiler differs from machine to machine."""
    model.tune(replace(tuning, compiled=True), *plan.usual_size)
    try:
        two_calls(model, plan, [sld.METHODS["baseline"]], batch_size)
    except (InputError, sld.InputError) as error:
        log.warning("%s Continuing without it.", error)
        return False
    except Exception as error:
        if not out_of_memory(error):
            raise
    return True  # also where the batch is too large, which drawing will halve


def _fastest(model: LoadedModel, plan: Plan, batch_size: int) -> str:
    baseline = [sld.METHODS["baseline"]]
    try:
        found = fastest_attention(lambda: two_calls(model, plan, baseline, batch_size), model.device, FUSED)
        return found or "default"
    except Exception as error:
        if not out_of_memory(error):
            raise
    # A batch of the user's, which drawing will halve just so.
    return _fastest(model, plan, batch_size // 2) if batch_size > 1 else "default"


@as_keys(MODEL)
def two_calls(model: Model, plan: Plan, methods: Sequence[sld.Method], rows: int) -> sld.Result:
    """Make two calls of the denoiser with a full batch, for what they need and how long they take."""
    height, width = plan.usual_size
    return sld.sample(
        model,
        [""] * rows,
        methods,
        steps=2,
        height=height,
        width=width,
        seeds=range(rows),
        batch_size=rows,
        decode=False,
    )


def _without_warm_up(method: sld.Method) -> sld.Method:
    return replace(method, preset=replace(method.safety, warmup_steps=0)) if method.safety is not None else method
