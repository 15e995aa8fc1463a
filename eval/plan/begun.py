"""What a run directory says of how its run began, where a plan follows it.

That is where the protocol has been made more precise since then, and where a folder of pictures may have grown.
"""

from __future__ import annotations

import contextlib

import i2p
from eval.base.errors import InputError
from eval.store.manifest import Identity, Manifest
from eval.store.prompts import read_run_prompts
from eval.store.rundir import RunDir


def begun_under(out: str, protocol: i2p.Protocol) -> Identity | None:
    """Return the identity of the run that a folder holds if it began under the protocol of this name; otherwise None.

    Whether it is the run of the settings, and why not, is said by `eval.plan.same_run`.
    """
    manifest = _manifest(out)
    return manifest.identity if manifest and manifest.identity.protocol.name == protocol.name else None


def begun_prompts(out: str) -> list[i2p.Prompt]:
    """Return the prompts that a folder of pictures brought to the run in a run directory; none without such a run."""
    manifest = _manifest(out)
    if manifest is not None and manifest.identity.model.brings_prompts:
        with contextlib.suppress(InputError):
            return read_run_prompts(RunDir(out), manifest)
    return []


def _manifest(out: str) -> Manifest | None:
    with contextlib.suppress(InputError):
        return RunDir(out).read_manifest() if out else None
    return None
