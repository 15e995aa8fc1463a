"""The judges' weights, located as the run would locate them, but not loaded."""

from __future__ import annotations

import shlex
from typing import Any

from eval.base import plugins
from eval.base.errors import InputError
from eval.base.words import size
from eval.config.keys import as_keys, in_keys
from eval.doctor.check import MISSING, OK, WARNING, Check
from eval.doctor.files import DOWNLOADS, described, not_cached, reachable, total
from eval.judges import judge_class, prompt_pair
from eval.judges.clip import hub
from eval.judges.nudenet import NudeNetSettings
from eval.judges.nudenet_network import SHA256_320N
from eval.judges.q16_settings import Q16Settings
from i2p.demo import trained
from sld.checkpoints import files

Q16, NUDENET = judge_class("q16").keys(), judge_class("nudenet").keys()


def judge_checks(name: str, settings: Any, digests: bool) -> Check | list[Check]:
    """Check what a judge needs.

    Args:
        name: of the judge.
        settings: of the judge.
        digests: whether large files are read for their digests too.

    Raises:
        InputError: no judge has this name, or a file that it needs is damaged.
    """
    if name in CHECKS:
        return CHECKS[name](settings, digests)
    judge = judge_class(name)
    judge.check_paths(settings)
    return Check(name, OK, f"{plugins.package_of(plugins.JUDGES, name)}: {judge.help}")


@as_keys(Q16)
def q16(s: Q16Settings, digests: bool) -> list[Check]:
    """Check Q16's CLIP weights and prompt pair."""
    if s.demo:
        weights = described([trained.clip_files().weights], digests)
        return [Check("q16", OK, f"the demo world's CLIP and prompt pair, as trained: {weights}")]
    if not s.weights:
        return [
            Check("q16 weights", MISSING, "none are named", "q16.weights=openai   or q16.weights=FILE"),
            _pair(s),
        ]
    hub.find_config(s.architecture)
    try:
        path = hub.find_file(s.weights, s.allow_pickle)
    except InputError as error:
        return [
            Check("q16 weights", MISSING, in_keys(error, Q16), "q16.weights=openai   or q16.weights=FILE"),
            _pair(s),
        ]
    if path is None:
        weights = _clip_tag(s.architecture, s.weights, s.allow_pickle, digests)
    else:
        files.check_weights(path, s.allow_pickle)
        weights = Check("q16 weights", OK, f"{path}: {described([path], digests)}")
    return [weights, _pair(s)]


def _clip_tag(architecture: str, tag: str, allow_pickle: bool, digests: bool) -> Check:
    name, by_file = "q16 weights", "q16.weights=FILE.safetensors"
    if tag != "openai" or architecture not in ("ViT-L-14-quickgelu", "ViT-L-14"):
        from eval.judges.clip.weights import find_architecture  # importing its library takes seconds

        find_architecture(architecture)
        finding = f"{tag} of {architecture}: whether the hub's cache has it is not checked"
        return Check(name, WARNING, finding, by_file)
    if architecture != "ViT-L-14-quickgelu":
        return Check(name, MISSING, f"{architecture} has another activation than the weights", "q16=vit_l_14")
    names = [hub.OPENAI_FILE, *(["open_clip_pytorch_model.bin"] if allow_pickle else [])]
    file = hub.cached(hub.OPENAI_REPOSITORY, names)
    if file is None:
        return not_cached(name, hub.OPENAI_REPOSITORY, size(hub.OPENAI_BYTES), by_file)
    files.check_weights(file, allow_pickle)
    if digests and files.sha256(file) not in (hub.OPENAI_SHA256, hub.OPENAI_SAFETENSORS_SHA256):
        return Check(
            name, MISSING, f"{file} is not OpenAI's ViT-L/14, by its sha256", shlex.join(["rm", str(file.resolve())])
        )
    digest = ", the known sha256" if digests else ""
    return Check(name, OK, f"{hub.OPENAI_REPOSITORY} in the hub's cache, {total([file])}{digest}")


def _pair(s: Q16Settings) -> Check:
    name = "q16 prompts"
    if s.prompts is None and not prompt_pair.published_path().is_file():
        finding = f"the published pair is not at {prompt_pair.published_path()}"
        if reachable(prompt_pair.PUBLISHED_URL):
            return Check(name, WARNING, f"{finding}; {DOWNLOADS}, 3 kB", pending=True)
        return Check(name, MISSING, f"{finding}, and its server can't be reached", "q16.prompts=FILE")
    path = s.prompts or prompt_pair.published_path()
    digest = s.prompts_sha256 or (None if s.prompts else prompt_pair.PUBLISHED_SHA256)
    pair = prompt_pair.load_prompt_pair(path, digest)
    kind = "the published pair" if pair.published else f"sha256 {pair.sha256[:12]}…, not the published pair"
    return Check(name, OK, f"{path}: {kind}, {pair.embeddings.shape[1]} numbers each")


@as_keys(NUDENET)
def nudenet(settings: NudeNetSettings, digests: bool) -> Check:
    """Check NudeNet's network and what it would run on."""
    from eval.judges.nudenet_network import find_network

    network = find_network()
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    finding = f"{network.name}, {total([network])}; onnxruntime {onnxruntime.__version__} with {', '.join(providers)}"
    if unknown := [name for name in settings.providers or () if name not in providers]:
        return Check("nudenet", MISSING, f"{finding}; not with {', '.join(unknown)}", "nudenet.providers=null")
    if files.sha256(network) != SHA256_320N:
        return Check(
            "nudenet", WARNING, f"{finding}; not the network of nudenet 3.4.2", "python -m pip install nudenet==3.4.2"
        )
    return Check("nudenet", OK, f"NudeNet 3.4.2 320n: {finding}; the known sha256")


CHECKS = {"q16": q16, "nudenet": nudenet}
