"""Groups of near-duplicate prompts. Prompts of one group are no independent sample: a statistic counts them once.

I2P comes from a search engine for pictures: its 4703 rows are 3,958 groups, 1,112 rows are in groups of two or more,
and the largest group has 46.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from i2p.prompt import InputError, Prompt
from i2p.schema import PromptList
from i2p.words import lacking

BY = ("text", "rows", "column")


def near_duplicates(texts: Sequence[str]) -> list[int]:
    """Return, for each text, the position of the first text of its group.

    Two texts are linked if their sets of words have a Jaccard index, common words over all words, of 0.8 or more; a
    group is what links connect. A word is a run of letters, digits and underscores (`\\w+`) without regard to case.
    Texts without any word are linked only if they are equal. Which texts are in one group does not depend on their
    order.

    Only pairs that share one of their rarest words at places that leave room for enough common words are compared
    (prefix and positional filtering: Chaudhuri et al. 2006, Xiao et al. 2008). The result is that of all pairs.
    """
    keys: list[Hashable] = [frozenset(re.findall(r"\w+", text.casefold())) or text for text in texts]
    first = {key: position for position, key in reversed(list(enumerate(keys)))}
    word_sets = [key for key in first if isinstance(key, frozenset)]
    first_of_group: dict[int, int] = {}
    labels = dict(zip(word_sets, _linked(word_sets), strict=True))
    for key, label in labels.items():
        first_of_group[label] = min(first[key], first_of_group.get(label, first[key]))
    return [first_of_group[labels[key]] if key in labels else first[key] for key in keys]


def _linked(word_sets: Sequence[frozenset[str]]) -> list[int]:
    """Return the label of each set's group; the sets are distinct and not empty."""
    frequency = Counter(word for words in word_sets for word in words)
    rarest_first = [sorted(words, key=lambda word: (frequency[word], word)) for words in word_sets]
    labels = list(range(len(word_sets)))
    members = {label: [label] for label in labels}
    # word → (size of a set, place of the word in it) → sets of this size that have the word among their rarest
    index: dict[str, dict[tuple[int, int], list[int]]] = defaultdict(lambda: defaultdict(list))
    for current in sorted(labels, key=lambda number: len(word_sets[number])):
        words = rarest_first[current]
        size = len(words)
        rarest = words[: size - -(-4 * size // 5) + 1]  # with none of these in common, fewer than 4/5 are
        for place, word in enumerate(rarest):
            for (other_size, other_place), others in index[word].items():
                least = -(-4 * (size + other_size) // 9)  # words in common, for a Jaccard index of 4/5
                if min(size - place, other_size - other_place) < least:  # too few words from there on
                    continue
                for other in others:
                    if labels[other] != labels[current] and len(word_sets[current] & word_sets[other]) >= least:
                        _join(labels, members, labels[current], labels[other])
        for place, word in enumerate(rarest):
            index[word][size, place].append(current)
    return labels


def _join(labels: list[int], members: dict[int, list[int]], first: int, second: int) -> None:
    small, large = sorted((first, second), key=lambda label: len(members[label]))
    for member in members[small]:
        labels[member] = large
    members[large] += members.pop(small)


def grouped(source: PromptList, by: str | None = None) -> PromptList:
    """Return the prompts of a whole source with their groups, which thus do not depend on a selection.

    Args:
        source: as read.
        by: `column`: that of the source, where a row without a value is a group of its own. `text`: near-duplicate
            texts; a group is named by its smallest row. `rows`: every prompt is a group of its own. None: the column
            where the source has one, else the texts.

    Raises:
        InputError: there is no such choice, or no column.
    """
    column = source.group_column
    if by not in (None, *BY):
        raise InputError(f"groups must be null or one of {', '.join(BY)}, found {by!r}: choose from these")
    if by == "column" and column is None:
        raise InputError(
            "the list must have a column of groups for groups=column, found none that holds any: call it 'group', or "
            "leave groups= out to group by near-duplicate texts",
            "groups=column",
            "groups=",
        )
    by = by or ("text" if column is None else "column")
    if by == "column":
        count = sum(prompt.group is None for prompt in source.prompts)
        which = "it" if count == 1 else "each of them"
        remark = f"{lacking(count, len(source.prompts))} {column}: {which} is a group of its own."
        return replace(source, remarks=(*source.remarks, *([remark] if count else [])), grouped_by=by)
    unused = (*source.unused, *([] if column is None else [column]))
    names = _smallest_rows(source.prompts) if by == "text" else [None] * len(source.prompts)
    prompts = [replace(prompt, group=name) for prompt, name in zip(source.prompts, names, strict=True)]
    return replace(source, prompts=prompts, unused=unused, group_column=None, grouped_by=by)


def group_by_text(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts grouped by near-duplicate texts."""
    return [replace(prompt, group=row) for prompt, row in zip(prompts, _smallest_rows(prompts), strict=True)]


def _smallest_rows(prompts: Sequence[Prompt]) -> list[int]:
    """Return, for each prompt, the smallest row among its near-duplicates."""
    first = near_duplicates([prompt.text for prompt in prompts])
    smallest: dict[int, int] = {}
    for prompt, position in zip(prompts, first, strict=True):
        smallest[position] = min(prompt.row, smallest.get(position, prompt.row))
    return [smallest[position] for position in first]


def numbered(prompts: Iterable[Prompt]) -> dict[int, int]:
    """Return row → number of its group, from 0 in the order of the groups' smallest rows.

    A prompt whose `group` is None is a group of its own.
    """
    numbers: dict[tuple[str, int | str], int] = {}
    result = {}
    for prompt in sorted(prompts, key=lambda prompt: prompt.row):
        key = ("row", prompt.row) if prompt.group is None else ("group", prompt.group)
        result[prompt.row] = numbers.setdefault(key, len(numbers))
    return result


def digest_of_groups(numbers: dict[int, int]) -> str:
    """Return the SHA-256 (hex) of which rows are in one group, whatever the groups are called."""
    return hashlib.sha256(json.dumps(sorted(numbers.items())).encode()).hexdigest()
