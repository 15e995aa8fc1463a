"""The keys of a command, and which of them was meant by another word."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from eval.base.nearest import nearest
from eval.base.renamed import RENAMED
from eval.config.settings import Settings
from eval.config.types import key_types

# A word of other programs → the key that does the same here.
OTHER_WORDS = {
    **dict.fromkeys(("seed", "seeds"), "protocol.seed_offset"),
    **dict.fromkeys(("guidance", "cfg", "cfg_scale"), "protocol.guidance_scale"),
    **dict.fromkeys(("num_inference_steps", "inference_steps", "ddim_steps", "n_steps"), "protocol.steps"),
    **dict.fromkeys(("sampler", "solver"), "protocol.scheduler"),
    **dict.fromkeys(
        ("num_images", "num_samples", "n_samples", "samples", "num_images_per_prompt", "n_images", "repeats"),
        "protocol.images_per_prompt",
    ),
    **dict.fromkeys(("nudenet_threshold", "nudity_threshold"), "protocol.nude_threshold"),
    **dict.fromkeys(("labels", "nude_labels"), "protocol.label_set"),
    **dict.fromkeys(("output", "output_dir", "out_dir", "outdir", "save_dir", "folder", "dir", "resume"), "out"),
    **dict.fromkeys(("precision", "torch_dtype", "half", "fp16"), "dtype"),
    **dict.fromkeys(("checkpoint", "ckpt", "model_path", "model_id", "model_name", "pretrained"), "model.path"),
    **dict.fromkeys(("resolution", "height", "width", "image_size"), "model.size"),
    **dict.fromkeys(("prompt_file", "prompts_path", "data", "dataset", "csv", "input"), "prompts.path"),
    **dict.fromkeys(("limit", "num_prompts", "n_prompts", "subset"), "prompts.sample"),
    **dict.fromkeys(("category", "concept_category"), "prompts.categories"),
    **dict.fromkeys(("gpus", "num_gpus", "num_workers", "processes", "jobs"), "workers"),
    **dict.fromkeys(("bs", "batch"), "batch_size"),
    **dict.fromkeys(("config_name", "config_path"), "experiment"),
    **dict.fromkeys(("method", "sld", "safety"), "methods"),
    **dict.fromkeys(("detector", "classifier"), "judges"),
}
OF_SUBMIT = {**dict.fromkeys(("gpus", "num_gpus"), "slurm.gpus"), "walltime": "slurm.time", "memory": "slurm.mem"}
OWN = {"doctor": ("measure", "digests"), "submit": ("dry_run",)}


def known_keys(command: str) -> list[str]:
    """Return the keys that a command such as run takes, without those of installed packages' judges."""
    keys = [*dict(key_types(Settings)), *OWN.get(command, ())]
    if command == "submit":
        from eval.config.slurm import SlurmSettings

        keys += dict(key_types(SlurmSettings, "slurm."))
    return keys


def meant(key: str, command: str, groups: Collection[str]) -> list[str]:
    """Return the keys that were meant by a word: those with its last part, else the closest, else none.

    Args:
        key: as typed, such as steps or protocol.stpes.
        command: such as run.
        groups: names that are chosen as keys are.
    """
    known = known_keys(command)
    parts = {full.partition(".")[0] for full in known}  # quality=[kid] is short for quality.metrics=[kid]
    if key in {*known, *groups, *parts}:
        return [key]
    if key in RENAMED:
        return [RENAMED[key]]
    part, _, last = key.rpartition(".")
    words = {**OTHER_WORDS, **(OF_SUBMIT if command == "submit" else {})}
    if other := words.get(last.lower().replace("-", "_")):
        return [other]
    if close := [full for full in known if full.rpartition(".")[2] == last]:
        return close if not part else _of_part(part, close)
    if part:
        siblings = {full.rpartition(".")[2]: full for full in known if full.rpartition(".")[0] == part}
        name = siblings.get(nearest(last, siblings) or "") if siblings else nearest(key, known)
        return [name] if name else []
    if name := nearest(key, [*groups, *parts]):
        return [name]
    name = nearest(key, {full.rpartition(".")[2] for full in known})
    return [full for full in known if full.rpartition(".")[2] == name]


def place(key: str, command: str, groups: Iterable[str]) -> str:
    """Return in words the keys there are where one was typed: those of its part, else those without a part."""
    known, part = known_keys(command), key.rpartition(".")[0]
    inside = [full.removeprefix(f"{part}.") for full in known if part and full.startswith(f"{part}.")]
    if inside:
        return f"those of {part} are {', '.join(inside)}"
    parts = dict.fromkeys(full.partition(".")[0] for full in known)
    return f"there are {', '.join(dict.fromkeys((*parts, *sorted(set(groups) - {'hydra'}))))}"


def _of_part(part: str, close: list[str]) -> list[str]:
    """Return of several keys the one whose part is meant, all if none is close."""
    parts = {full.rpartition(".")[0]: full for full in close}
    name = nearest(part, parts)
    return [parts[name]] if name else close
