"""Which of the weight files in a component's folder are its weights.

Repositories keep the same weights several times: whole or in shards with an index, as safetensors and as pickles, and
as variants whose name stands within the file's (`fp16`, `non_ema`). diffusers and transformers read the one without
such a name unless they are told otherwise, and so does this. Variants are never mixed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sld.checkpoints.files import PICKLES, check_safetensors, pickle_refused, read_json
from sld.errors import InputError, first_three

# Of each component how its weight files begin, as safetensors and as pickles.
STEMS = {
    "unet": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "vae": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "text_encoder": ("model", "pytorch_model"),
}
SUFFIXES = (".safetensors", ".bin")
_SHARD = r"-(?P<number>\d{5})-of-(?P<total>\d{5})"


@dataclass(frozen=True)
class Variant:
    """A component's weights in one form: `name` is "" for the main one, `lacking` the shards that are not there."""

    name: str
    pickled: bool
    sharded: bool
    files: tuple[Path, ...]
    lacking: tuple[str, ...] = ()


def weight_files(folder: Path, part: str, allow_pickle: bool) -> list[Path]:
    """The weight files of one component, checked without reading their weights.

    Raises `InputError` if they are missing, damaged, incomplete, only pickles, or of several variants without a main.
    """
    if not folder.is_dir():
        raise InputError(f"A folder with weights was expected, found none at {folder}; complete the checkpoint.")
    chosen = _choose(folder, part, allow_pickle)
    if chosen.lacking:
        raise InputError(
            f"All {len(chosen.files) + len(chosen.lacking)} shards of the weights were expected, found no "
            f"{first_three(chosen.lacking)} in {folder}; complete the checkpoint."
        )
    for path in chosen.files:
        if path.suffix == ".safetensors":
            check_safetensors(path)
    return list(chosen.files)


def left_aside(chosen: Sequence[Path], part: str) -> list[str]:
    """Names of the other weight files of that component, in the same folder as the chosen ones."""
    names = {path.name for path in chosen}
    return sorted(
        path.name for path in chosen[0].parent.iterdir() if _parsed(path.name, part) and path.name not in names
    )


def _choose(folder: Path, part: str, allow_pickle: bool) -> Variant:
    variants = list(_variants(folder, part))
    for pickled in (False, True):
        main = [each for each in variants if each.pickled == pickled and not each.name]
        if main and pickled and not allow_pickle:
            raise pickle_refused(main[0].files[0] if main[0].files else folder / main[0].lacking[0])
        if main:
            return _whole_or_shards(main, part)
    for pickled in (False, True):
        named = [each for each in variants if each.pickled == pickled]
        names = sorted({each.name for each in named})
        if named and pickled and not allow_pickle:
            break
        if len(names) > 1:
            stem, suffix = STEMS[part][pickled], SUFFIXES[pickled]
            raise InputError(
                f"The weights {stem}{suffix} were expected, found only the variants {', '.join(names)} in {folder}; "
                f"rename the files of the one that is meant to {stem}{suffix}."
            )
        if named:
            return _whole_or_shards(named, part)
    others = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", *PICKLES))
    pickles = [path for path in others if path.suffix in PICKLES]
    if pickles and len(pickles) == len(others) and not allow_pickle:
        raise pickle_refused(pickles[0])
    found = f"only {first_three([path.name for path in others])}" if others else ""
    wanted = f"{STEMS[part][0]}.safetensors"
    raise InputError(
        f"The weights {wanted} were expected, found {found or 'no such file'} in {folder}; "
        + (f"rename the file that is meant to {wanted}." if others else "complete the checkpoint.")
    )


def _whole_or_shards(variants: Sequence[Variant], part: str) -> Variant:
    """Of the same weights as one file and in shards what the part's library reads; an index of lost shards is stale."""
    complete = [each for each in variants if not each.lacking] or variants
    # diffusers looks for an index first, transformers for the whole file.
    return sorted(complete, key=lambda each: each.sharded, reverse=part != "text_encoder")[0]


def _variants(folder: Path, part: str) -> Iterator[Variant]:
    names = sorted(path.name for path in folder.iterdir())
    indexed = set()
    for pickled in (False, True):
        stem, suffix = STEMS[part][pickled], SUFFIXES[pickled]
        for name in names:
            if match := re.fullmatch(rf"{stem}{re.escape(suffix)}\.index(?:\.(?P<name>[^.]+))?\.json", name):
                listed = _listed(folder / name, part)
                indexed.add((match["name"] or "", pickled))
                yield _of(folder, match["name"] or "", pickled, listed)
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
        yield _of(folder, variant, pickled, every)


def _of(folder: Path, variant: str, pickled: bool, listed: Sequence[str]) -> Variant:
    there = tuple(folder / name for name in listed if (folder / name).is_file())
    return Variant(variant, pickled, True, there, tuple(name for name in listed if not (folder / name).is_file()))


def _parsed(name: str, part: str) -> re.Match | None:
    """A weight file's name by its parts; a variant stands before the shard's number, or in old files behind it."""
    stem = STEMS[part][name.endswith(".bin")]
    return re.fullmatch(rf"{stem}(?:\.(?P<name>[^.]+?))?(?:{_SHARD})?(?:\.(?P<last>[^.]+))?\.(?:safetensors|bin)", name)


def _listed(index: Path, part: str) -> list[str]:
    """The files that an index names, each a plain name in its own folder, and all shards of one set."""
    weight_map = read_json(index).get("weight_map")
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not names or not all(isinstance(name, str) and name and Path(name).name == name for name in names):
        raise InputError(
            f"A weight_map from each weight to its file was expected, found none or another in {index}; download it "
            "again."
        )
    names = sorted(set(names))
    parsed = [_parsed(name, part) for name in names]
    sets = {match and (match["name"], match["last"], match["total"], Path(match[0]).suffix) for match in parsed}
    if len(sets) > 1:
        raise InputError(
            f"An index of the shards of one set of weights was expected, found files of several "
            f"({first_three(names)}) in {index}; download it again."
        )
    if parsed[0] and parsed[0]["total"] and len(names) != int(parsed[0]["total"]):
        raise InputError(
            f"An index of all {int(parsed[0]['total'])} shards was expected, found {len(names)} of them in {index}; "
            "download it again."
        )
    return names
