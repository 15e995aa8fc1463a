"""The prompts in a run directory, found to be those of the run, and the run's own command, which restores them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import i2p
from eval.command import NAME, typed
from eval.errors import InputError
from eval.manifest import digest_of, identity_of, stored_prompts
from eval.rundir import RunDir
from eval.values import override


def read_run_prompts(run: RunDir, manifest: Mapping) -> list[i2p.Prompt]:
    """Return a run's prompts, in the order of their source.

    Raises:
        InputError: their file is missing or damaged, or holds others.
    """
    whole = identity_of(manifest)["prompts"]
    try:
        prompts = stored_prompts(run)
        read = f"others or a part of them ({len(prompts):,} lines)"
    except (InputError, i2p.InputError) as error:
        prompts, read = None, f"what can't be read ({error.__cause__})"
    if prompts is None or digest_of(prompts) != whole["digest"]:
        raise InputError(
            f"{run.root / 'prompts.jsonl'} must hold the {whole['count']:,} prompts of the run, found {read}: "
            f"{run_command(run, manifest)} restores it"
        )
    return prompts


def run_command(run: RunDir, manifest: Mapping) -> str:
    """Return the run's own command, for all shards at once and for where the directory is now."""
    words = [word for word in manifest["runtime"]["command"] if not word.startswith(("shard.", "out="))]
    words.append(override("out", str(run.root.resolve())))
    for program in ([NAME, "run"], ["python", "-m", "eval.run"]):  # the latter in older manifests
        if words[: len(program)] == program:
            return typed("run", words[len(program) :])
    return shlex.join(words)  # a script with methods of its own
