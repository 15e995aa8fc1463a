"""What the command lines of the scripts share: words that are checked before hours are measured, and the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import i2p


def at_least(least: int) -> Callable[[str], int]:
    """Return a type for argparse: a whole number that is not smaller."""

    def whole(text: str) -> int:
        if not text.strip().lstrip("+-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, found {text!r}")
        return int(text)

    return whole


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
    return name


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


def parsed_with_new_folder(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the parsed words, whose `--folder` is filled and removed, so that one that exists is refused."""
    arguments = parser.parse_args()
    if arguments.folder.exists():
        parser.error(f"--folder must be a new one, since it is filled and removed, found {arguments.folder}")
    return arguments


def show_and_write(text: str, path: Path) -> None:
    """Print a page and write it; if it can't be written, it has been printed."""
    print(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def end_with(main: Callable[[], int | None]) -> NoReturn:
    """End with the exit code of a script; bad input is one sentence on stderr, and 2."""
    from eval.base.cli import exit_code_of  # not before: some scripts measure what imports cost

    sys.exit(exit_code_of(lambda: main() or 0))
