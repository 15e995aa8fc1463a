"""The one table of column names: what each means, and where it was seen. Every source of prompts is read by it.

Case, blanks, underscores, hyphens and dots of a name make no difference: `Seed ` and `Evaluation-Seed` are found.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from i2p.prompt import InputError

UNUSED = "unused"  # a column whose name begins so is never used, and never taken for one that should be


@dataclass(frozen=True)
class Meaning:
    """What a column may be called for one meaning.

    `names` are taken wherever they are. `loose` names mean other things elsewhere, and are taken where every value can
    be meant. `spare` names are taken where no other is there, and else left unused.
    """

    names: tuple[str, ...]
    loose: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()


MEANINGS = {
    "row": Meaning(
        names=(
            "row",  # prompts.jsonl of a run
            "case_number",  # ESD, UCE, MU-Attack, RECE, P4D: it names their pictures
            "case_num",  # AdvUnlearn, coco_object_retain.csv
            "image_id",  # ESD and UCE, coco_30k.csv: the same of COCO's lists
            "case",
            "case_id",
            "row_id",
            "row_number",
        ),
        # id: Six-CD. index: pandas' reset_index. The others as scripts of the field number their prompts.
        loose=("id", "idx", "index", "prompt_id", "prompt_idx", "prompt_index", "prompt_number", "sample_id"),
        spare=("coco_id",),  # RECE, coco_30k_val.csv, beside its case_number
    ),
    "text": Meaning(
        names=(
            "prompt",  # I2P, ESD, UCE, MU-Attack, RECE, SafetyDPO
            "text",  # prompts.jsonl of a run; lists on the hub
            "caption",  # COCO's annotations
            "prompts",
            "captions",
            "prompt_text",  # YiJian
            "text_prompt",
        )
    ),
    "categories": Meaning(
        names=(
            "categories",  # I2P, ESD, MU-Attack
            "category",  # SafetyDPO, CoProv2_test.csv
            "harm_category",
            "harm_categories",
            "risk_category",
            "nsfw_category",
            "unsafe_category",
        ),
        # RECE, validation_inappropriate.csv: Hate, Harassment, …; ESD and UCE: the object. `artist` and `profession` of
        # ESD and UCE name one in a thousand, and are no categories.
        spare=("class",),
    ),
    "seed": Meaning(
        names=(
            "sd_seed",  # I2P
            "seed",  # prompts.jsonl of a run; DiffusionDB
            "evaluation_seed",  # ESD, UCE, MU-Attack, RECE
            "eval_seed",
            "random_seed",
            "image_seed",
            "img_seed",
            "generation_seed",
            "gen_seed",
            "noise_seed",  # ComfyUI
            "generator_seed",
            "manual_seed",
        )
    ),
    "guidance_scale": Meaning(
        names=(
            "sd_guidance_scale",  # I2P
            "guidance_scale",  # prompts.jsonl of a run; diffusers
            "evaluation_guidance",  # ESD, MU-Attack
            "evaluation_guidance_scale",
            "eval_guidance",
            "guidance",
            "sd_guidance",
            "cfg",  # DiffusionDB
            "cfg_scale",  # AUTOMATIC1111's web UI
            "image_guidance",
            "image_guidance_scale",
        ),
        loose=("scale",),  # CompVis' txt2img.py
    ),
    "height": Meaning(
        names=("sd_image_height", "height", "image_height", "img_height"),  # I2P, DiffusionDB
    ),
    "width": Meaning(
        names=("sd_image_width", "width", "image_width", "img_width"),
    ),
    "hard": Meaning(names=("hard",)),  # I2P
    "toxicity": Meaning(names=("prompt_toxicity", "toxicity")),  # I2P
    "published": Meaning(names=("published",)),  # prompts.jsonl of a run
    "inappropriate": Meaning(names=("inappropriate_percentage",)),  # I2P, as the next two
    "nudity": Meaning(names=("nudity_percentage",)),
    "q16": Meaning(names=("q16_percentage",)),
    # One negative prompt a row is what no method here takes: read to refuse it where a row has one.
    "negative_prompt": Meaning(names=("negative_prompt", "neg_prompt", "negative", "sd_negative_prompt")),
}
# Of tables of pictures made elsewhere, which lists of prompts leave unused.
PICTURES = {
    "image": Meaning(
        names=(
            "image",  # SafetyDPO, CoProv2_test.csv
            "image_path",
            "image_file",
            "image_name",
            "filename",
            "file_name",  # COCO's annotations, the hub's image folders
            "file",
            "filepath",
            "path",
            "picture",
            "img",
            "img_path",
            "img_name",
            "image_filename",
        )
    ),
    "method": Meaning(names=("method",)),
    "k": Meaning(names=("k",)),  # which image of its prompt
}
# What pandas calls an index: it says nothing that the order of the rows does not.
_INDEX = re.compile(r"unnamed: \d+(_level_\d+)?(\.\d+)*|__index_level_\d+__|level_\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Which column holds which meaning; `loose` and `spare` of it are still to be looked into by their values.

    `rest` are the columns that no meaning has, indices of pandas apart.
    """

    found: dict[str, str]
    loose: dict[str, tuple[str, ...]] = field(default_factory=dict)
    spare: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rest: tuple[str, ...] = ()


def plain(name: str) -> str:
    """A name as names are compared."""
    return re.sub(r"[\s_.-]+", "", name).casefold()


def _table(*kinds: str, meanings=None) -> dict[str, str]:
    every = (meanings or (MEANINGS | PICTURES)).items()
    return {plain(name): what for what, meaning in every for kind in kinds for name in getattr(meaning, kind)}


_ANY = _table("names", "loose", "spare")


def is_known(name: str) -> bool:
    """Whether a name is in the table, of prompts or of pictures."""
    return plain(name) in _ANY


def is_index(name: str) -> bool:
    """Whether a column is an index of pandas by its name."""
    return bool(_INDEX.fullmatch(name.strip()))


def find_columns(names: Iterable[str], source: str, *, pictures: bool = False) -> Columns:
    """Which column of a table holds which meaning, by its name; `pictures` asks for those of `PICTURES` too.

    InputError where a column comes twice, and where two have one meaning.
    """
    names = list(names)
    if len(set(names)) < len(names):
        raise InputError(
            f"{source}: expected every column once, found the columns {listed(names)}; rename or drop a duplicate"
        )
    meanings = MEANINGS | (PICTURES if pictures else {})
    by_kind: dict[str, dict[str, list[str]]] = {}
    placed = set()
    for kind in ("names", "loose", "spare"):
        known = _table(kind, meanings=meanings)
        by_kind[kind] = {}
        for name in names:
            if plain(name) in known and name not in placed:
                by_kind[kind].setdefault(known[plain(name)], []).append(name)
                placed.add(name)
    for same in by_kind["names"].values():
        refuse_two(same, source)
    return Columns(
        found={what: same[0] for what, same in by_kind["names"].items()},
        loose={what: tuple(same) for what, same in by_kind["loose"].items()},
        spare={what: tuple(same) for what, same in by_kind["spare"].items()},
        rest=tuple(name for name in names if name not in placed and not is_index(name)),
    )


def refuse_two(same: list[str], source: str) -> None:
    """Raise InputError where more than one column has a meaning."""
    if len(same) > 1:
        raise InputError(
            f"{source}: expected one of the columns {' and '.join(same)}, found both, which mean the same; drop one, "
            f"or call it '{UNUSED}_{same[1].strip()}'"
        )


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them."""
    return ", ".join(repr(name) for name in names) or "none"
