"""The prompts of a run, and the selection from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import i2p
from eval.base.words import counted
from eval.config.keys import PLAN, as_keys
from eval.config.model_settings import ModelSettings
from eval.config.settings import PromptSettings
from eval.config.sources import SOURCES
from eval.doctor.check import OK, WARNING, Check
from eval.doctor.files import not_cached
from eval.folder.layouts import PROMPTLESS
from eval.folder.listing import list_and_place
from eval.plan.methods import remarks
from eval.plan.plan import FolderPlan, Plan
from eval.plan.prompts import prompts_of_folder, read_prompts
from eval.store.groups import in_words
from i2p.benchmark import ROWS
from i2p.groups import numbered
from i2p.hub import HUB_ID, is_hub_id, parsed
from i2p.sources import SHIPPED


@as_keys(PLAN)
def prompts(s: PromptSettings, model: ModelSettings) -> list[Check]:
    """Check where the prompts come from, and whether they are those of I2P."""
    if SOURCES[model.kind].folder:
        if own := prompts_of_folder(model, s):
            own = own.source.prompts
            return [Check("prompts", OK, f"the folder's own: {len(own):,}, digest {i2p.digest(own)[:12]}…")]
        list_and_place(model.path, model.layout)  # as a run does, before it looks for prompts
    source = s.path or s.source
    try:
        prompt_list = read_prompts(s, offline=True)
    except i2p.InputError:
        hub = s.path is None and s.source not in SHIPPED and is_hub_id(s.source)
        if not hub or _in_cache(s.source, s.revision):
            raise
        return [not_cached("prompts", s.source, "2 MB", "prompts.path=FILE")]
    rows, is_i2p = len(prompt_list.prompts), prompt_list.benchmark
    finding = f"{source}: {counted(rows, 'row')}, digest {i2p.digest(prompt_list.prompts)[:12]}…"
    finding += ", I2P as it was published" if is_i2p else ""
    sentences = prompt_list.sentences()
    if not is_i2p and s.source == HUB_ID and rows == ROWS:
        finding += ", which are not those of I2P as it was published"
        return [Check("prompts", WARNING, _with(finding, sentences), "leave prompts.path out for the hub's")]
    return [Check("prompts", OK, _with(finding, sentences))]


def _with(finding: str, sentences: Iterable[str]) -> str:
    """Return a clause and the sentences behind it."""
    behind = " ".join(sentences)
    return f"{finding}. {behind}" if behind else finding


def selection(plan: Plan) -> Check:
    """Check which prompts are selected, and how many images they make."""
    shard = f", shard {plan.shard_index} of {plan.shard_count}" if plan.shard_count > 1 else ""
    numbers = {"prompt": len(plan.prompts), "image": plan.images_per_prompt, "method": len(plan.methods)}
    product = " × ".join(counted(number, noun) for noun, number in numbers.items())
    if plan.images.named is not None:
        product = f"up to {product}, as the table has them"
    pictures = isinstance(plan, FolderPlan) and plan.folder.layout in PROMPTLESS
    groups = in_words(plan.grouped_by, plan.group_column, numbered(plan.prompts), pictures=pictures)
    images = counted(len(plan.images), "image")
    finding = "; ".join([f"{product} = {images}{shard}", f"groups: {groups}", *plan.deviations])
    plan.describe_source()  # refuses prompts without results
    if not isinstance(plan, FolderPlan):
        return Check("selection", OK, _with(finding, remarks(plan.methods, plan.prompts)))
    present = len(plan.folder.pictures)
    finding += f"; found {counted(present, 'picture')}, in the layout {plan.folder.layout}"
    if present < len(plan.images):
        return Check("selection", WARNING, finding, "add the missing ones, or choose fewer prompts")
    return Check("selection", OK, finding)


def _in_cache(source: str, revision: str | None) -> bool:
    """Whether the cache of `datasets` has any version of a data set, or that of the hub the file of one."""
    import datasets
    from huggingface_hub import try_to_load_from_cache

    name, pinned, inner = parsed(source)
    if inner:
        return isinstance(try_to_load_from_cache(name, inner, revision=revision or pinned, repo_type="dataset"), str)
    folder_name = name.replace("/", "___").lower()
    folder = Path(datasets.config.HF_DATASETS_CACHE)
    return folder.is_dir() and any(path.name.lower() == folder_name for path in folder.iterdir())
