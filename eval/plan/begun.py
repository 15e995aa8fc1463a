"""What a run directory says of how its run began, where the protocol has been made more precise since then."""

from __future__ import annotations

import contextlib

import i2p
from eval.base.errors import InputError
from eval.store.manifest import Identity
from eval.store.rundir import RunDir


def begun_under(out: str, protocol: i2p.Protocol) -> Identity | None:
    """Return the identity of the run that a folder holds if it began under the protocol of this name; otherwise None.

    Whether it is the run of the settings, and why not, is said by `eval.plan.same_run`.
    """
    manifest = None
    with contextlib.suppress(InputError):
        manifest = RunDir(out).read_manifest() if out else None
    return manifest.identity if manifest and manifest.identity.protocol.name == protocol.name else None
