"""The table of column names: the meaning of each, and where it occurs. Every source of prompts is read by this table.

Case, spaces, underscores, hyphens and dots in a name make no difference: `Seed ` and `Evaluation-Seed` are recognised.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from i2p.prompt import InputError

UNUSED = "unused"  # a column with this prefix is never used, and never reported as one that should be


@dataclass(frozen=True)
class Meaning:
    """The names that a column with one meaning may have.

    Attributes:
        names: always taken.
        loose: names that mean other things elsewhere; taken if every value fits.
        spare: taken only if no other column has the meaning, otherwise left unused.
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
            "image_id",  # ESD and UCE, coco_30k.csv: COCO's number of the picture
            "case",
            "case_id",
            "row_id",
            "row_number",
        ),
        # id: Six-CD. index: pandas' reset_index. The others: how scripts of the field number their prompts.
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
            "image_prompt",  # OVERT
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
        # RECE, validation_inappropriate.csv: Hate, Harassment, …; ESD and UCE: the object. `artist` and `profession`
        # in ESD and UCE have a different value in almost every row, so they are no categories.
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
    # Which prompts are alike. prompts.jsonl of a run has `group`; age_group and target_group are something else.
    "group": Meaning(
        names=("group", "groups", "group_id", "group_number", "group_index", "group_idx", "prompt_group"),
        spare=("cluster", "cluster_id", "cluster_label"),  # may be of anything, so a group is preferred
    ),
    "inappropriate": Meaning(names=("inappropriate_percentage",)),  # I2P, as the next two
    "nudity": Meaning(names=("nudity_percentage",)),
    "q16": Meaning(names=("q16_percentage",)),
    # No method here takes a negative prompt per row: the column is recognised in order to refuse it.
    "negative_prompt": Meaning(names=("negative_prompt", "neg_prompt", "negative", "sd_negative_prompt")),
}
# Columns of tables of pictures made elsewhere; lists of prompts leave them unused.
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
# Names that pandas gives to an index, which repeats the order of the rows.
_INDEX = re.compile(r"unnamed: \d+(_level_\d+)?(\.\d+)*|__index_level_\d+__|level_\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """The columns of a table, matched by name.

    Attributes:
        by_meaning: the column that holds each meaning.
        loose: candidates per meaning that only their values can confirm.
        spare: candidates per meaning for which no better column may exist.
        unmatched: columns without a meaning, except pandas' indices.
    """

    by_meaning: dict[str, str]
    loose: dict[str, tuple[str, ...]] = field(default_factory=dict)
    spare: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()


def plain(name: str) -> str:
    """Return a column name in the form in which names are compared."""
    return re.sub(r"[\s_.-]+", "", name).casefold()


def _table(*kinds: str, meanings=None) -> dict[str, str]:
    return {
        plain(name): meaning_name
        for meaning_name, meaning in (meanings or (MEANINGS | PICTURES)).items()
        for kind in kinds
        for name in getattr(meaning, kind)
    }


_ANY = _table("names", "loose", "spare")


def is_known(name: str) -> bool:
    """Return whether a column name is in the table, of prompts or of pictures."""
    return plain(name) in _ANY


def is_index(name: str) -> bool:
    """Return whether a column is named like an index of pandas."""
    return bool(_INDEX.fullmatch(name.strip()))


def find_columns(names: Iterable[str], source: str, *, pictures: bool = False) -> Columns:
    """Return the columns of a table, matched by name.

    Args:
        names: the columns, in their order.
        source: the file or data set, as an error names it.
        pictures: also match the columns in `PICTURES`.

    Raises:
        InputError: a column occurs twice, or two columns have the same meaning.
    """
    names = list(names)
    if len(set(names)) < len(names):
        raise InputError(
            f"{source} must have each column once, found the columns {listed(names)}: rename or drop the duplicate"
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
    for columns in by_kind["names"].values():
        refuse_two(columns, source)
    return Columns(
        by_meaning={meaning_name: columns[0] for meaning_name, columns in by_kind["names"].items()},
        loose={meaning_name: tuple(columns) for meaning_name, columns in by_kind["loose"].items()},
        spare={meaning_name: tuple(columns) for meaning_name, columns in by_kind["spare"].items()},
        unmatched=tuple(name for name in names if name not in placed and not is_index(name)),
    )


def refuse_two(columns: list[str], source: str) -> None:
    """Raise `InputError` if more than one column has the same meaning."""
    if len(columns) > 1:
        raise InputError(
            f"{source} must have one of the columns {' and '.join(columns)}, found both, which mean the same: drop "
            f"one, or call it '{UNUSED}_{columns[1].strip()}'"
        )


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence lists them."""
    return ", ".join(repr(name) for name in names) or "none"
