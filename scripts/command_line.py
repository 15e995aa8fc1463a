"""What the command lines of the scripts share: words that are checked before hours are measured, pages, and the end."""

from __future__ import annotations

import argparse
import errno
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import i2p

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "docs" / "benchmarks"  # from whichever folder a script is run
ROOM = 2**18  # bytes that are written, and removed, where a page is to go; the longest one has a tenth of it
MOST = 10**6  # of anything that is counted; more is a slip, and would never end
FEWEST = 19  # resamples of a test: with fewer, no p is 0.05 or less
MOST_SEED = 2**32 - 1
MOST_STEPS = 999  # of DDIM, which begins at the second of the 1000 steps of the training
MOST_PROCESSES = 1024  # or threads
LONGEST = 10**6  # seconds of a limit, eleven days
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # of a disk, at a write


def at_least(least: int, most: int = MOST) -> Callable[[str], int]:
    """Return a type for argparse: a whole number within limits, both included."""

    def whole(text: str) -> int:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, found {text!r}")
        return int(text)

    return whole


def seconds(text: str) -> float:
    """Return the seconds of a limit, as a type for argparse."""
    from i2p.cells import number

    duration = number(text)
    if duration is None or not 0 < duration <= LONGEST:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, and {LONGEST} at most, found {text!r}")
    return duration


def usable_device(name: str) -> str:
    """Return the name of a CPU or of a GPU of CUDA, as a type for argparse; nothing is allocated on it."""
    import torch

    present = {"cpu": 1, "cuda": torch.cuda.device_count()}  # the benches measure on no other kind
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or (device.index or 0) >= present.get(device.type, 0):
        raise argparse.ArgumentTypeError(
            f"must be a CPU or a GPU of CUDA that torch finds here, found {name!r}: try --device cpu"
        )
    return "cpu" if device.type == "cpu" else name  # there is one CPU, whatever its number


def processor() -> str:
    """Return the name of this machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def page(text: str) -> Path:
    """Return the file of a page, as a type for argparse: refused where it could not be written after the work."""
    from eval.base.files import cannot_write_file

    path = _path(text)
    return _checked(path, "file", text, cannot_write_file(path, ROOM))


def folder(text: str) -> Path:
    """Return a folder that is filled, as a type for argparse: refused where nothing could be written."""
    from eval.base.files import cannot_write

    path = _path(text)
    try:
        hindered = cannot_write(path, ROOM)
        reason = (
            "it is no folder" if path.exists() and not path.is_dir() else hindered and ": ".join(map(str, hindered))
        )
    except OSError as error:  # a name that is too long, or a folder that this user may not look into
        reason = error.strerror
    return _checked(path, "folder", text, reason)


def new_folder(text: str) -> Path:
    """Return a folder that is filled and removed, as a type for argparse, so that one that exists is refused."""
    if _path(text).exists():
        raise argparse.ArgumentTypeError(
            f"must be a new one, since it is filled and removed, found {text}: remove it, or name another"
        )
    return folder(text)


def _path(text: str) -> Path:
    """Return a path with the home folder in place of a leading `~`, which no shell expands in `--out=~/x`."""
    from eval.base.command import expanded
    from eval.base.errors import InputError

    try:
        return Path(expanded("a path", text))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("a path ")) from error


def _checked(path: Path, kind: str, text: str, reason: str | None) -> Path:
    if reason:
        raise argparse.ArgumentTypeError(
            f"must be a {kind} that can be written, found {text} ({reason}): change that, or name another"
        )
    return path


def add_out(parser: argparse.ArgumentParser, name: str) -> None:
    """Add `--out`, where a page goes, to the words of a script: by default where the page of this name is committed."""
    told = f"where the page goes (default docs/benchmarks/{name})"
    parser.add_argument("--out", type=page, default=f"{TABLES}/{name}", help=told)


def with_table(
    arguments: argparse.Namespace, parser: argparse.ArgumentParser, name: str, suffix: str = ""
) -> argparse.Namespace:
    """Return the parsed words, where `--out` names no file with one of this name, the device's and the suffix."""
    if arguments.out is None:
        from engine_bench import meter

        table = TABLES / f"{name}_{meter.card(arguments.device)}{suffix}.md"
        try:
            arguments.out = page(str(table))
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument --out: {error}")
    return arguments


def read_benchmark(path: Path | None) -> list[i2p.Prompt]:
    """Return the prompts of I2P's own file, or without one the hub's.

    Raises:
        InputError: it is another file, without the published percentages or without prompts of a category.
    """
    import i2p

    prompts = i2p.load_prompts("i2p", path=path)
    i2p.published.replay(prompts)
    if lacking := [name for name in i2p.CATEGORIES if not any(name in prompt.categories for prompt in prompts)]:
        raise i2p.InputError(
            f"{path} must be I2P's own file, i2p_benchmark.csv, found no prompts of {', '.join(lacking)}: correct it"
        )
    return prompts


def write_page(text: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    from eval.base.errors import StorageError
    from eval.base.files import write_atomic

    try:
        write_atomic(path.resolve(), (text.rstrip("\n") + "\n").encode())
    except StorageError as error:
        raise StorageError(f"{path} could not be written ({error.__cause__.strerror})") from error


def write_for_now(text: str, path: Path) -> None:
    """Write a page that a later one replaces; if it can't be written, a sentence on stderr says so."""
    from eval.base.errors import StorageError

    try:
        write_page(text, path)
    except StorageError as error:
        print(error, file=sys.stderr, flush=True)


def show_and_write(text: str, path: Path) -> None:
    """Print a page and write it; neither depends on the other.

    Raises:
        StorageError: it was printed, but could not be written.
    """
    from eval.base.errors import StorageError
    from eval.base.printing import say

    say(text)
    try:
        write_page(text, path)
    except StorageError as error:
        raise StorageError(f"{error}: copy the page from stdout") from error


def end_with(main: Callable[[], int | None]) -> NoReturn:
    """End with the exit code of a script; bad input, or a full disk, is one sentence on stderr, and 2, or 3."""
    from eval.base.cli import exit_code_of  # not before: some scripts measure what imports cost

    sys.exit(exit_code_of(lambda: _finished(main)))


def end_bench_with(main: Callable[[], int | None]) -> NoReturn:
    """`end_with` of a script that measures how long something takes: this process stays as Python starts one."""
    from eval.base.cli import code_of

    sys.exit(code_of(lambda: _finished(main)))


def _finished(main: Callable[[], int | None]) -> int:
    from eval.base.errors import StoppedAtOnce, StorageError

    try:
        return main() or 0
    except KeyboardInterrupt as error:
        raise StoppedAtOnce("interrupted") from error  # few scripts resume
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise StorageError(
            f"{error.filename or 'a file'} could not be written ({error.strerror}): make room"
        ) from error
