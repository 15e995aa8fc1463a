"""NudeNet's network, from its wheel, and its onnxruntime session."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.base.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

SHA256_320N = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"  # 320n.onnx of nudenet 3.4.2
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
# TensorFloat-32 would move scores by 1e-3, and without a fixed algorithm scores would differ between runs.
OPTIONS = {CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}}


def find_network() -> Path:
    """Return the path of the wheel's network.

    Raises:
        InputError: the wheel or its network is missing.
    """
    spec = importlib.util.find_spec("nudenet")
    if spec is None:
        raise InputError("the nudenet package must be installed, found none: pip install 'nudenet>=3.4.2,<4'")
    network = Path(spec.submodule_search_locations[0]) / "320n.onnx"
    if not network.is_file():
        raise InputError(f"the nudenet package must hold 320n.onnx, found none at {network}: reinstall nudenet 3.4.2")
    return network


def open_session(
    network: bytes, providers: Sequence[str] | None, threads: int, gpu: int | None = None
) -> onnxruntime.InferenceSession:
    """Open a session of a network.

    Args:
        network: ONNX.
        providers: execution providers in order of preference; None for CUDA if available, else the CPU.
        threads: the number of cores to use.
        gpu: the number of the GPU for CUDA; None for the first.

    Raises:
        InputError: a provider that is not available, or another than the first in use.
    """
    import onnxruntime

    available = onnxruntime.get_available_providers()
    requested = [name for name in (CUDA, CPU) if name in available] if providers is None else list(providers)
    unknown = [name for name in requested if name not in available]
    if unknown or not requested:
        raise InputError(
            f"execution providers must be of {', '.join(available)}, found {', '.join(unknown) or 'none'}: "
            f"choose from these, as in providers=[{available[-1]}], or install an onnxruntime that has it",
            f"providers=[{available[-1]}]",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # A spinning thread would keep a core from another worker.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen = {name: dict(OPTIONS.get(name, {})) for name in requested}
    if gpu is not None and CUDA in chosen:
        chosen[CUDA]["device_id"] = str(gpu)
    session = onnxruntime.InferenceSession(network, options, list(chosen.items()))
    if providers is not None and session.get_providers()[0] != requested[0]:
        raise InputError(
            f"the execution provider must be {requested[0]}, found that onnxruntime fell back to "
            f"{session.get_providers()[0]}: see its log for the missing library, or leave providers= out",
            "providers=",
        )
    return session


def title_of(description: Mapping[str, Any]) -> str:
    """Return NudeNet's name for people from the description on record: NudeNet 3.4.2 320n, where it is that network."""
    version, digest = (description.get("libraries") or {}).get("nudenet"), description.get("weights_sha256")
    name = f"NudeNet {version}" if version else "NudeNet"
    if digest is None:
        return name
    return f"{name} 320n" if digest == SHA256_320N else f"{name} with other weights, sha256 {digest[:12]}…"
