"""The prompts in a run directory, checked against the manifest, and the run's own command, which restores them."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Sequence

import i2p
from eval.base.command import NAME, typed
from eval.base.errors import InputError
from eval.base.files import json_digest
from eval.base.quoting import override
from eval.base.renamed import renamed_word
from eval.base.words import counted
from eval.store.manifest import Manifest
from eval.store.rundir import RunDir
from i2p.groups import digest_of_groups, numbered


def read_run_prompts(run: RunDir, manifest: Manifest) -> list[i2p.Prompt]:
    """Return the prompts of a run, in the order of their source.

    Raises:
        InputError: their file is missing or damaged, or holds other prompts.
    """
    try:
        prompts = stored_prompts(run)
        content = f"others or only some of them ({counted(len(prompts), 'line')})"
    except (InputError, i2p.InputError) as error:
        prompts, content = [], f"a file that can't be read ({error.__cause__})"
    if are_of(manifest, prompts):
        return prompts
    if (prompts := prompts_in_growth(run, manifest)) is not None:
        return prompts
    raise InputError(
        f"{run.root / 'prompts.jsonl'} must hold the {counted(manifest.identity.prompts.count, 'prompt')} of the run, "
        f"found {content}: {run_command(run, manifest)} restores it"
    )


def run_command(run: RunDir, manifest: Manifest) -> str:
    """Return the run's own command, for all shards at once and with the current path of its directory."""
    words = [renamed_word(word) for word in manifest.command if not word.startswith(("shard.", "out="))]
    words.append(override("out", str(run.root.resolve())))
    for program in ([NAME, "run"], ["python", "-m", "eval.run"]):  # the second in older manifests
        if words[: len(program)] == program:
            return typed("run", words[len(program) :])
    return shlex.join(words)  # a script that brings methods


def stored_prompts(run: RunDir, key: str = "") -> list[i2p.Prompt]:
    """Return the prompts in the run directory, in the order of their source; with a key, those of a generation.

    Raises:
        InputError, i2p.InputError: their file is missing or damaged.
    """
    return [i2p.Prompt.from_dict(p) for p in run.read_prompts(key)]


def prompts_in_growth(run: RunDir, manifest: Manifest) -> list[i2p.Prompt] | None:
    """Return the prompts of a manifest whose run is just growing, or was killed at that; None where there are none."""
    with contextlib.suppress(InputError, i2p.InputError):
        prompts = stored_prompts(run, prompts_key(manifest))
        return prompts if are_of(manifest, prompts) else None
    return None


def prompts_key(manifest: Manifest) -> str:
    """Return the key of the prompts of a manifest among those of all generations of the run."""
    groups = manifest.groups
    return json_digest({"prompts": manifest.identity.prompts.digest, "groups": groups and groups.digest})[:16]


def are_of(manifest: Manifest, prompts: Sequence[i2p.Prompt]) -> bool:
    """Return whether prompts are those of a run, in its groups where it recorded them."""
    groups = manifest.groups
    return digest_of(prompts) == manifest.identity.prompts.digest and (
        groups is None or digest_of_groups(numbered(prompts)) == groups.digest
    )


def digest_of(prompts: Iterable[i2p.Prompt]) -> str:
    """Return the digest of the prompts of a run, sorted by row."""
    return i2p.digest(sorted(prompts, key=lambda prompt: prompt.row))


def holds_prompts(run: RunDir, stored: Manifest) -> bool:
    """Return whether the directory still has the prompts of its run.

    Args:
        run: the directory.
        stored: its manifest.
    """
    try:
        return are_of(stored, stored_prompts(run))
    except (InputError, i2p.InputError):
        return False
