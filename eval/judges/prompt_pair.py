"""Q16's prompt pair: two CLIP embeddings, of "appropriate" and "inappropriate", tuned by the authors.

The published pair is a pickle from the internet. It is never unpickled: the reader below admits the three names that an
array needs, replaces each by a plain record, and builds the array itself from the recorded bytes.
"""

import hashlib
import http.client
import io
import os
import pickle
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from huggingface_hub import constants

from eval.base.errors import InputError
from eval.base.files import write_atomic

if TYPE_CHECKING:
    from eval.judges.clip.weights import Architecture

PUBLISHED_URL = "https://raw.githubusercontent.com/ml-research/Q16/main/data/ViT-L-14/prompts.p"
PUBLISHED_SHA256 = "9b6c411824c2f64e0f847aa3c9f2b15b8e3a6c75e0efd82f2f672670c97ccad5"
LARGEST = 16 << 20  # bytes; the published file has 3231
SECONDS = 20  # without an answer, before a download is given up


@dataclass(frozen=True, eq=False)
class PromptPair:
    """`embeddings` is (2, D) float32, not normalised, row 0 appropriate, row 1 inappropriate; `sha256` the file's."""

    embeddings: np.ndarray
    sha256: str
    source: str

    @property
    def published(self) -> bool:
        """Whether this is the authors' pair for OpenAI's ViT-L/14."""
        return self.sha256 == PUBLISHED_SHA256


def load_prompt_pair(path: str | Path | None = None, sha256: str | None = None) -> PromptPair:
    """The prompt pair in a file, or the published one.

    Args:
        path: a `.safetensors` file with one array, or one called `prompts`; or a `.p` file, an array pickled by numpy,
            as the authors publish it. None takes their pair from the user's cache, and fetches it first if need be.
        sha256: hexadecimal digest that the file has to have. Without one, any file is taken and its digest recorded.

    Raises InputError when the file is missing, has another digest or is anything else than two finite, non-zero rows.
    Source: ml-research/Q16, `data/ViT-L-14/prompts.p`, the same bytes as in ml-research/i2p and HELM.
    """
    if path is None:
        path, sha256 = fetch_published(), sha256 or PUBLISHED_SHA256
    path = Path(path)
    if path.suffix not in _READERS:
        raise InputError(f"expected a prompt pair as {' or '.join(_READERS)}, found {path}: convert it to .safetensors")
    if not path.is_file():
        raise InputError(
            f"expected a prompt pair, found no file at {path}: correct prompts=FILE, or leave prompts= out "
            "for the published pair",
            "prompts=",
            "prompts=FILE",
        )
    if path.stat().st_size > LARGEST:
        raise InputError(
            f"expected a prompt pair of some kilobytes, found {path.stat().st_size} bytes in {path}: check it"
        )
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise InputError(
            f"expected sha256 {sha256}, found {found} in {path}: get the file again, or give its own digest, "
            f"prompts_sha256={found}",
            f"prompts_sha256={found}",
        )
    try:
        array = _READERS[path.suffix](data)
    except Exception as error:  # whatever a damaged or hostile file can raise in its reader
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"expected a prompt pair in {path}, found a file that can't be read ({reason}): get it again or convert it"
        ) from error
    return PromptPair(_checked(array, path), found, str(path))


def fetch_published(url: str = PUBLISHED_URL, sha256: str = PUBLISHED_SHA256) -> Path:
    """The published pair in the user's cache, downloaded if it is not there; nothing but its exact bytes is stored.

    Raises InputError when the download fails or has another digest, saying where the file can be put by hand.
    """
    path = published_path(sha256)
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
        return path
    by_hand = f"put the file with sha256 {sha256} at {path}, or give a pair of your own, prompts=FILE"
    if constants.HF_HUB_OFFLINE:
        raise InputError(
            f"expected Q16's prompt pair in the cache, found none while HF_HUB_OFFLINE is set: {by_hand}",
            "prompts=FILE",
        )
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            data = answer.read(LARGEST)
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(
            f"expected Q16's prompt pair at {url}, found the answer {error.code}: {by_hand}", "prompts=FILE"
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(
            f"expected Q16's prompt pair from {url}, found no connection ({error}): {by_hand}", "prompts=FILE"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError(
            f"expected Q16's prompt pair at {url}, found other bytes (sha256 {found}): {by_hand}", "prompts=FILE"
        )
    write_atomic(path, data)
    return path


def published_path(sha256: str = PUBLISHED_SHA256) -> Path:
    """Where the published pair is, or will be, in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "i2p-bench"
    return cache / f"q16-prompts-{sha256[:8]}.p"


def _checked(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind != "f" or array.ndim != 2 or len(array) != 2 or not array.size:
        raise InputError(
            f"expected two rows of floating-point numbers, found shape {array.shape} of {array.dtype} in {path}: row 0 "
            f"is the appropriate, row 1 the inappropriate embedding"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
        lengths = np.linalg.norm(array, axis=1)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise InputError(
            f"expected two rows of finite length above zero, found {lengths[0]} and {lengths[1]} in {path}: get the "
            f"file again"
        )
    return array


def _read_pickle(data: bytes) -> np.ndarray:
    # The records are made anew for each file: a pickle may set attributes on what it is given.
    class Dtype:
        def __init__(self, code, *_flags):
            self.code, self.order = code, "="

        def __setstate__(self, state):
            self.order = state[1]

    class Array:
        state = None

        def __setstate__(self, state):
            self.state = state

    admitted = {
        ("numpy", "dtype"): Dtype,
        ("numpy", "ndarray"): Array,
        ("numpy.core.multiarray", "_reconstruct"): lambda *_arguments: Array(),
        ("numpy._core.multiarray", "_reconstruct"): lambda *_arguments: Array(),
    }

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) not in admitted:
                raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
            return admitted[module, name]

    found = Reader(io.BytesIO(data)).load()
    if not isinstance(found, Array) or found.state is None:
        raise pickle.UnpicklingError("it holds no numpy array")
    _version, shape, dtype, column_major, raw = found.state
    if not isinstance(dtype, Dtype) or dtype.code not in ("f2", "f4", "f8") or not isinstance(raw, bytes):
        raise pickle.UnpicklingError("its array holds something else than floating-point numbers")
    order = {"<": "<", ">": ">", "=": "=", "|": "="}[dtype.order]
    return np.frombuffer(raw, order + dtype.code).reshape(shape, order="F" if column_major else "C")


def _read_safetensors(data: bytes) -> np.ndarray:
    from safetensors.numpy import load

    arrays = load(data)
    if "prompts" in arrays:
        return arrays["prompts"]
    if len(arrays) != 1:
        raise ValueError(f"it holds {len(arrays)} arrays ({', '.join(sorted(arrays))}) and none is called prompts")
    return next(iter(arrays.values()))


_READERS = {".safetensors": _read_safetensors, ".p": _read_pickle}


def check_pair(architecture: "Architecture", pair: PromptPair) -> None:
    """Raise InputError for a pair that was not tuned for this architecture."""
    if pair.embeddings.shape[1] != architecture.embedding_size:
        raise InputError(
            f"expected a prompt pair of length {architecture.embedding_size}, the embedding size of "
            f"{architecture.name}, found length {pair.embeddings.shape[1]} in {pair.source}: give prompts=FILE, the "
            f"pair that was tuned for this architecture",
            "prompts=FILE",
        )
    if pair.published and not architecture.quick_gelu:
        raise InputError(
            f"expected the published prompt pair with OpenAI's weights and their activation, found architecture "
            f"{architecture.name} without quick_gelu: give architecture=ViT-L-14-quickgelu, or a pair tuned for "
            f"your weights, prompts=FILE",
            "architecture=ViT-L-14-quickgelu",
            "prompts=FILE",
        )
