"""A manifest as a file: read, and refused in one sentence where it is another version's, damaged or changed."""

from __future__ import annotations

import json
from pathlib import Path

import sld
from eval.errors import InputError
from eval.files import json_digest

FORMAT = 3
IDENTITY = ("model", "prompts", "protocol", "methods", "judges")
DESCRIBED = tuple(key for key in IDENTITY if key != "methods")  # each by names and values


def signed(manifest: dict) -> dict:
    """Return a manifest with the digest of all the rest of it, by which a changed one is noticed."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return rest | {"sha256": json_digest(rest)}


def read_manifest(path: Path) -> dict | None:
    """Return the manifest in a file, None where there is none.

    Raises:
        InputError: there is one, and it can't be read or is not whole.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not path.is_symlink():
            return None
        raise InputError(f"{path} must be a manifest, found a link to nothing: remove it, or set out=") from error
    except NotADirectoryError as error:
        raise InputError(f"out must be a folder, found a file on the way to {path.parent}: name another") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read ({error}): restore it, or set out= to a new folder") from error
    found = manifest if isinstance(manifest, dict) else {}
    if found.get("format") != FORMAT:
        raise InputError(
            f"{path} must be a manifest of format {FORMAT}, found format {found.get('format')!r}: "
            "use the version that wrote it, or set out= to a new folder"
        )
    whole = _is_whole(found)
    if whole and signed(found) != found:
        raise InputError(f"{path} has been changed since it was written: restore it, or set out= to a new folder")
    if not whole or not all(_has_name(method) for method in found["identity"]["methods"]):
        raise InputError(
            f"{path} lacks a part (identity with {', '.join(IDENTITY)}; deviations, lossy, settings, runtime): restore "
            "it, or set out= to a new folder"
        )
    return manifest


def _is_whole(found: dict) -> bool:
    """Whether all that is read of a manifest is there and of its type."""
    parts = all(isinstance(found.get(key), dict) for key in ("identity", "settings", "runtime"))
    lists = all(isinstance(found.get(key), list) for key in ("deviations", "lossy"))
    if not parts or not lists or not set(IDENTITY) <= set(found["identity"]):
        return False
    identity = found["identity"]
    described = all(isinstance(identity[key], dict) for key in DESCRIBED) and isinstance(identity["methods"], list)
    return described and all(isinstance(judge, dict) for judge in identity["judges"].values())


def _has_name(method: object) -> bool:
    return isinstance(method, dict) and isinstance(method.get("name"), str) and sld.is_method_name(method["name"])
