"""Paths as a user gives them: with `~` at their start, or with names that no file can have."""

import os
from pathlib import Path

from i2p.prompt import InputError


def expanded(given: str | os.PathLike) -> Path:
    """Return a path, whether or not it names something, with the home folder in place of a leading `~` or `~user`.

    Raises:
        InputError: this machine has no such user, a name is too long, or a folder is closed to this user.
    """
    try:
        path = Path(given).expanduser()
        path.exists()
    except RuntimeError as error:
        user = Path(given).parts[0]
        raise InputError(
            f"{given} must begin with the home folder of a user of this machine, found no user {user}: write ./{given} "
            "for a folder of that name"
        ) from error
    except OSError as error:
        raise InputError(
            f"{given} must be a path that this user can reach, found that it can't be ({error.strerror}): "
            f"{'give the user permission, or ' if isinstance(error, PermissionError) else ''}give another path"
        ) from error
    return path


def exists(given: str | os.PathLike) -> bool:
    """Return whether a path names something; raises `InputError` like `expanded`."""
    return expanded(given).exists()
