"""The prompts in a run directory, checked against the manifest, and the run's own command, which restores them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

import i2p
from eval.base.command import NAME, typed
from eval.base.errors import InputError
from eval.base.quoting import override
from eval.base.renamed import renamed_word
from eval.store.manifest import Manifest
from eval.store.rundir import RunDir
from i2p.groups import digest_of_groups, numbered


def read_run_prompts(run: RunDir, manifest: Manifest) -> list[i2p.Prompt]:
    """Return the prompts of a run, in the order of their source.

    Raises:
        InputError: their file is missing or damaged, or holds other prompts.
    """
    record = manifest.identity.prompts
    try:
        prompts = stored_prompts(run)
        content = f"others or only some of them ({len(prompts):,} lines)"
    except (InputError, i2p.InputError) as error:
        prompts, content = None, f"a file that can't be read ({error.__cause__})"
    if prompts is None or not are_of(manifest, prompts):
        raise InputError(
            f"{run.root / 'prompts.jsonl'} must hold the {record.count:,} prompts of the run, found {content}: "
            f"{run_command(run, manifest)} restores it"
        )
    return prompts


def run_command(run: RunDir, manifest: Manifest) -> str:
    """Return the run's own command, for all shards at once and with the current path of its directory."""
    words = [renamed_word(word) for word in manifest.runtime.command if not word.startswith(("shard.", "out="))]
    words.append(override("out", str(run.root.resolve())))
    for program in ([NAME, "run"], ["python", "-m", "eval.run"]):  # the second in older manifests
        if words[: len(program)] == program:
            return typed("run", words[len(program) :])
    return shlex.join(words)  # a script that brings methods


def stored_prompts(run: RunDir) -> list[i2p.Prompt]:
    """Return the prompts in the run directory, in the order of their source.

    Raises:
        InputError, i2p.InputError: their file is missing or damaged.
    """
    return [i2p.Prompt.from_dict(p) for p in run.read_prompts()]


def are_of(manifest: Manifest, prompts: Sequence[i2p.Prompt]) -> bool:
    """Return whether prompts are those of a run, in its groups where it recorded them."""
    groups = manifest.groups
    return digest_of(prompts) == manifest.identity.prompts.digest and (
        groups is None or digest_of_groups(numbered(prompts)) == groups.digest
    )


def digest_of(prompts: Iterable[i2p.Prompt]) -> str:
    """Return the digest of the prompts of a run, sorted by row."""
    return i2p.digest(sorted(prompts, key=lambda prompt: prompt.row))
