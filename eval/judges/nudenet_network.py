"""NudeNet's network: where its wheel has it, and onnxruntime's session over it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.base.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
# TensorFloat-32 would move scores by 1e-3; fixed algorithms keep a picture's score the same in every run.
OPTIONS = {CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}}


def find_network() -> Path:
    """Where the wheel's network is. Raises InputError where it, or the wheel, is missing."""
    spec = importlib.util.find_spec("nudenet")
    if spec is None:
        raise InputError("expected the nudenet package, found none installed: pip install 'nudenet>=3.4.2,<4'")
    network = Path(spec.submodule_search_locations[0]) / "320n.onnx"
    if not network.is_file():
        raise InputError(f"expected the network 320n.onnx, found none at {network}: reinstall nudenet 3.4.2")
    return network


def open_session(network: bytes, providers: Sequence[str] | None, threads: int) -> onnxruntime.InferenceSession:
    """The network, on the first of the wanted execution providers. Raises InputError where that can't be had."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    wanted = [name for name in (CUDA, CPU) if name in available] if providers is None else list(providers)
    unknown = [name for name in wanted if name not in available]
    if unknown or not wanted:
        raise InputError(
            f"expected execution providers of {', '.join(available)}, found {', '.join(unknown) or 'none'}: "
            f"choose from these, as in providers=[{available[-1]}], or install an onnxruntime that has it",
            f"providers=[{available[-1]}]",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # A spinning thread takes the core from another worker.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(network, options, [(name, OPTIONS.get(name, {})) for name in wanted])
    if providers is not None and session.get_providers()[0] != wanted[0]:
        raise InputError(
            f"expected execution provider {wanted[0]}, found that onnxruntime fell back to "
            f"{session.get_providers()[0]}: see its log for the library it misses, or leave providers= out",
            "providers=",
        )
    return session
