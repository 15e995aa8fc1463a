"""The other parts of a run, prompts and judges' weights, each found where the run would find it, and not loaded."""

from __future__ import annotations

import shlex
from pathlib import Path

import i2p
from eval import replay
from eval.doctor_checks import MISSING, OK, WARNING, Check
from eval.doctor_files import DOWNLOADS, described, not_cached, reachable, size_in_words, total
from eval.errors import InputError
from eval.folder_listing import list_and_place
from eval.folder_own import own_prompts
from eval.judges import clip_hub, prompt_pair
from eval.keys import NUDENET, PLAN, Q16, as_keys, in_keys
from eval.methods import remarks
from eval.plan import Plan
from eval.prompt_source import read_prompts
from eval.settings import DEMO, ELSEWHERE, Settings
from i2p.benchmark import ROWS
from i2p.demo import trained
from i2p.sources import HUB_ID, SHIPPED, is_hub_id
from sld.models import files

NUDENET_SHA256 = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"  # 320n.onnx of nudenet 3.4.2


@as_keys(PLAN)
def prompts(settings: Settings) -> list[Check]:
    """Where the prompts come from, and whether they are those of I2P."""
    s = settings.prompts
    if settings.model.kind == ELSEWHERE:
        if own := own_prompts(settings.model, s):
            own = own.source.prompts
            return [Check("prompts", OK, f"the folder's own: {len(own):,}, digest {i2p.digest(own)[:12]}…")]
        list_and_place(settings.model.path, settings.model.layout)  # as a run does, before it looks for prompts
    source = s.path or s.source
    try:
        found = read_prompts(s, offline=True)
    except i2p.InputError:
        hub = s.path is None and s.source not in SHIPPED and is_hub_id(s.source)
        if not hub or _in_cache(s.source.partition("@")[0]):
            raise
        return [not_cached("prompts", s.source, "2 MB", "prompts.path=FILE")]
    rows, same = len(found.prompts), found.benchmark
    said = f"{source}: {rows:,} rows, digest {i2p.digest(found.prompts)[:12]}…"
    said += ", I2P as it was published" if same else ""
    said += "".join(f"; {sentence}" for sentence in found.sentences())
    if not same and s.source == HUB_ID and rows == ROWS:
        said += ", which are not those of I2P as it was published"
        return [Check("prompts", WARNING, said, "leave prompts.path out for the hub's")]
    return [Check("prompts", OK, said)]


def selection(settings: Settings, plan: Plan) -> Check:
    """What of the prompts is used, and how many images that makes."""
    shard = f", shard {plan.shard_index} of {plan.shard_count}" if plan.shard_count > 1 else ""
    product = f"{len(plan.prompts):,} prompts × {plan.images_per_prompt} images × {len(plan.methods)} methods"
    if plan.folder and plan.folder.planned is not None:
        product = f"up to {product}, as the table has them"
    said = f"{product} = {plan.image_count:,} images{shard}" + "".join(f"; {each}" for each in plan.deviations)
    if settings.model.kind == "published":
        replay.describe(plan)  # which refuses prompts without results
    if plan.folder is None:
        return Check("selection", OK, "; ".join([said, *remarks(plan.methods, plan.prompts)]))
    here = len(plan.folder.pictures)
    said += f"; {here:,} pictures are there, of the layout {plan.folder.layout}"
    lacking = here < plan.image_count
    return Check(
        "selection", WARNING if lacking else OK, said, "add those that lack, or choose fewer prompts" * lacking
    )


@as_keys(Q16)
def q16(settings: Settings, digests: bool) -> list[Check]:
    """Q16's CLIP weights and prompt pair."""
    s = settings.q16
    if s.architecture == DEMO:
        found = trained.clip_files()
        said = f"the demo world's CLIP and prompt pair, as trained: {described([found.weights], digests)}"
        return [Check("q16", OK, said)]
    if not s.weights:
        return [
            Check("q16 weights", MISSING, "none are named", "q16.weights=openai   or q16.weights=FILE"),
            _pair(settings),
        ]
    clip_hub.find_config(s.architecture)
    try:
        path = clip_hub.find_file(s.weights, s.allow_pickle)
    except InputError as error:
        return [
            Check("q16 weights", MISSING, in_keys(error, Q16), "q16.weights=openai   or q16.weights=FILE"),
            _pair(settings),
        ]
    if path is None:
        weights = _clip_tag(s.architecture, s.weights, s.allow_pickle, digests)
    else:
        files.check_weights(path, s.allow_pickle)
        weights = Check("q16 weights", OK, f"{path}: {described([path], digests)}")
    return [weights, _pair(settings)]


def _clip_tag(architecture: str, tag: str, allow_pickle: bool, digests: bool) -> Check:
    name, by_file = "q16 weights", "q16.weights=FILE.safetensors"
    if tag != "openai" or architecture not in ("ViT-L-14-quickgelu", "ViT-L-14"):
        from eval.judges.clip_weights import find_architecture  # its library takes seconds

        find_architecture(architecture)
        said = f"{tag} of {architecture}: whether the hub's cache has it is not looked up"
        return Check(name, WARNING, said, by_file)
    if architecture != "ViT-L-14-quickgelu":
        return Check(name, MISSING, f"{architecture} has another activation than the weights", "q16=vit_l_14")
    names = [clip_hub.OPENAI_FILE, *(["open_clip_pytorch_model.bin"] if allow_pickle else [])]
    file = clip_hub.cached(clip_hub.OPENAI_REPOSITORY, names)
    if file is None:
        return not_cached(name, clip_hub.OPENAI_REPOSITORY, size_in_words(clip_hub.OPENAI_BYTES), by_file)
    files.check_weights(file, allow_pickle)
    if digests and files.sha256(file) not in (clip_hub.OPENAI_SHA256, clip_hub.OPENAI_SAFETENSORS_SHA256):
        return Check(
            name, MISSING, f"{file} is not OpenAI's ViT-L/14, by its sha256", shlex.join(["rm", str(file.resolve())])
        )
    known = ", the known sha256" if digests else ""
    return Check(name, OK, f"{clip_hub.OPENAI_REPOSITORY} in the hub's cache, {total([file])}{known}")


def _pair(settings: Settings) -> Check:
    name, s = "q16 prompts", settings.q16
    if s.prompts is None and not prompt_pair.published_path().is_file():
        said = f"the published pair is not at {prompt_pair.published_path()}"
        if reachable(prompt_pair.PUBLISHED_URL):
            return Check(name, WARNING, f"{said}; {DOWNLOADS}, 3 kB", pending=True)
        return Check(name, MISSING, f"{said}, and its server can't be reached", "q16.prompts=FILE")
    path = s.prompts or prompt_pair.published_path()
    digest = s.prompts_sha256 or (None if s.prompts else prompt_pair.PUBLISHED_SHA256)
    pair = prompt_pair.load_prompt_pair(path, digest)
    kind = "the published pair" if pair.published else f"sha256 {pair.sha256[:12]}…, not the published pair"
    return Check(name, OK, f"{path}: {kind}, {pair.embeddings.shape[1]} numbers each")


@as_keys(NUDENET)
def nudenet(settings: Settings) -> Check:
    """NudeNet's network, and what it would run on."""
    from eval.judges.nudenet import find_network

    network = find_network()
    import onnxruntime

    found = onnxruntime.get_available_providers()
    said = f"{network.name}, {total([network])}; onnxruntime {onnxruntime.__version__} with {', '.join(found)}"
    if unknown := [name for name in settings.nudenet.providers or () if name not in found]:
        return Check("nudenet", MISSING, f"{said}; not with {', '.join(unknown)}", "nudenet.providers=null")
    if files.sha256(network) != NUDENET_SHA256:
        return Check(
            "nudenet", WARNING, f"{said}; not the network of nudenet 3.4.2", "python -m pip install nudenet==3.4.2"
        )
    return Check("nudenet", OK, f"{said}; the known sha256")


def _in_cache(name: str) -> bool:
    """Whether `datasets` has prepared any version of a data set here."""
    import datasets

    wanted = name.replace("/", "___").lower()
    folder = Path(datasets.config.HF_DATASETS_CACHE)
    return folder.is_dir() and any(path.name.lower() == wanted for path in folder.iterdir())
