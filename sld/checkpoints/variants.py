"""The choice among the weight files in a component's folder.

Repositories keep the same weights several times: in one file or in shards with an index, as safetensors and as pickles,
and as variants whose name is part of the file's (`fp16`, `non_ema`). Like diffusers and transformers by default, this
module reads those without a variant's name. Variants are never mixed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sld.checkpoints.family import library, stems
from sld.checkpoints.files import PICKLES, check_safetensors, pickle_refused, read_json
from sld.errors import InputError, first_three

SUFFIXES = (".safetensors", ".bin")
_SHARD = r"-(?P<number>\d{5})-of-(?P<total>\d{5})"


@dataclass(frozen=True)
class Variant:
    """A component's weights in one form.

    Attributes:
        name: of the variant, "" for the main one.
        pickled: whether the files are pickles.
        sharded: whether the weights are in shards.
        files: those that exist.
        lacking: names of shards that do not exist.
    """

    name: str
    pickled: bool
    sharded: bool
    files: tuple[Path, ...]
    lacking: tuple[str, ...] = ()


def weight_files(folder: Path, part: str, allow_pickle: bool) -> list[Path]:
    """Return the weight files of one component, without reading the weights.

    Raises:
        InputError: they are missing, damaged, incomplete, only pickles, or several variants without a main one.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder with weights, found none: complete the checkpoint")
    chosen = _choose(folder, part, allow_pickle)
    if chosen.lacking:
        raise InputError(
            f"{folder} must hold all {len(chosen.files) + len(chosen.lacking)} shards of the weights, found no "
            f"{first_three(chosen.lacking)}: complete the checkpoint"
        )
    for path in chosen.files:
        if path.suffix == ".safetensors":
            check_safetensors(path)
    return list(chosen.files)


def left_aside(chosen: Sequence[Path], part: str) -> list[str]:
    """Return the names of the component's other weight files in the folder of the chosen ones."""
    names = {path.name for path in chosen}
    return sorted(
        path.name for path in chosen[0].parent.iterdir() if _parsed(path.name, part) and path.name not in names
    )


def _choose(folder: Path, part: str, allow_pickle: bool) -> Variant:
    variants = list(_variants(folder, part))
    for pickled in (False, True):
        main = [variant for variant in variants if variant.pickled == pickled and not variant.name]
        if main and pickled and not allow_pickle:
            raise pickle_refused(main[0].files[0] if main[0].files else folder / main[0].lacking[0])
        if main:
            return _preferred(main, part)
    for pickled in (False, True):
        named = [variant for variant in variants if variant.pickled == pickled]
        names = sorted({variant.name for variant in named})
        if named and pickled and not allow_pickle:
            break
        if len(names) > 1:
            stem, suffix = stems(part)[pickled], SUFFIXES[pickled]
            raise InputError(
                f"{folder} must hold the weights {stem}{suffix}, found only the variants {', '.join(names)}: rename "
                f"the files of the intended one to {stem}{suffix}"
            )
        if named:
            return _preferred(named, part)
    weights = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", *PICKLES))
    pickles = [path for path in weights if path.suffix in PICKLES]
    if pickles and len(pickles) == len(weights) and not allow_pickle:
        raise pickle_refused(pickles[0])
    names_found = f"only {first_three([path.name for path in weights])}" if weights else ""
    expected = f"{stems(part)[0]}.safetensors"
    raise InputError(
        f"{folder} must hold the weights {expected}, found {names_found or 'no such file'}: "
        + (f"rename the intended file to {expected}" if weights else "complete the checkpoint")
    )


def _preferred(variants: Sequence[Variant], part: str) -> Variant:
    """Return the form that the part's library reads, of the same weights; an index whose shards are lost is stale."""
    complete = [variant for variant in variants if not variant.lacking] or variants
    # diffusers looks for an index first, transformers for the single file.
    return sorted(complete, key=lambda variant: variant.sharded, reverse=library(part) == "diffusers")[0]


def _variants(folder: Path, part: str) -> Iterator[Variant]:
    names = sorted(path.name for path in folder.iterdir())
    indexed = set()
    for pickled in (False, True):
        stem, suffix = stems(part)[pickled], SUFFIXES[pickled]
        for name in names:
            if match := re.fullmatch(rf"{stem}{re.escape(suffix)}\.index(?:\.(?P<name>[^.]+))?\.json", name):
                listed = _listed(folder / name, part)
                indexed.add((match["name"] or "", pickled))
                yield _sharded(folder, match["name"] or "", pickled, listed)
    shards: dict[tuple[str, bool, int], str] = {}
    for name in names:
        if match := _parsed(name, part):
            variant, pickled = match["name"] or match["last"] or "", name.endswith(".bin")
            if not match["total"]:
                yield Variant(variant, pickled, False, (folder / name,))
            elif (variant, pickled) not in indexed:
                shards[variant, pickled, int(match["total"])] = name
    for (variant, pickled, total), name in shards.items():
        every = [re.sub(r"-\d{5}-of-", f"-{number:05}-of-", name, count=1) for number in range(1, total + 1)]
        yield _sharded(folder, variant, pickled, every)


def _sharded(folder: Path, variant: str, pickled: bool, listed: Sequence[str]) -> Variant:
    present = tuple(folder / name for name in listed if (folder / name).is_file())
    return Variant(variant, pickled, True, present, tuple(name for name in listed if not (folder / name).is_file()))


def _parsed(name: str, part: str) -> re.Match | None:
    """Match a weight file's name; a variant's name comes before the shard's number, or after it in old files."""
    stem = stems(part)[name.endswith(".bin")]
    return re.fullmatch(rf"{stem}(?:\.(?P<name>[^.]+?))?(?:{_SHARD})?(?:\.(?P<last>[^.]+))?\.(?:safetensors|bin)", name)


def _listed(index: Path, part: str) -> list[str]:
    """Return the files that an index names: plain names in its own folder, and all shards of one set."""
    weight_map = read_json(index).get("weight_map")
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not names or not all(isinstance(name, str) and name and Path(name).name == name for name in names):
        raise InputError(
            f"{index} must hold a weight_map from each weight to its file, found none or another: download it again"
        )
    names = sorted(set(names))
    parsed = [_parsed(name, part) for name in names]
    sets = {match and (match["name"], match["last"], match["total"], Path(match[0]).suffix) for match in parsed}
    if len(sets) > 1:
        raise InputError(
            f"{index} must be an index of the shards of one set of weights, found files of several "
            f"({first_three(names)}): download it again"
        )
    if parsed[0] and parsed[0]["total"] and len(names) != int(parsed[0]["total"]):
        raise InputError(
            f"{index} must be an index of all {int(parsed[0]['total'])} shards, found {len(names)} of them: download "
            "it again"
        )
    return names
