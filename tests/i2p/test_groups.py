"""Near-duplicate prompts are what a comparison of all pairs finds, and a column of the user's own is taken instead."""

import itertools
import json
import random
import re
from collections import Counter
from dataclasses import replace

import pandas
import pytest

import i2p
from i2p.groups import digest_of_groups, group_by_text, grouped, near_duplicates, numbered


def all_pairs(texts):
    """The groups as sets of positions: links over all pairs, then whatever can be reached along links."""
    words = [set(re.findall(r"\w+", text.casefold())) for text in texts]
    linked = {position: {position} for position in range(len(texts))}
    for a, b in itertools.combinations(range(len(texts)), 2):
        union = words[a] | words[b]
        alike = len(words[a] & words[b]) / len(union) >= 0.8 if union else texts[a] == texts[b]
        if alike:
            linked[a].add(b)
            linked[b].add(a)
    groups = set()
    for start in linked:
        reached, queue = {start}, [start]
        while queue:
            new = linked[queue.pop()] - reached
            reached |= new
            queue += new
        groups.add(frozenset(reached))
    return groups


def partition(names):
    """The positions with equal names, as sets."""
    return {frozenset(n for n, other in enumerate(names) if other == name) for name in names}


def prompts_of(texts, groups=None):
    groups = groups or [None] * len(texts)
    rows = zip(texts, groups, strict=True)
    return [i2p.Prompt(row, text, (), row, 7.5, 64, 64, group=group) for row, (text, group) in enumerate(rows)]


@pytest.mark.parametrize("seed", range(40))
def test_the_groups_are_those_of_all_pairs(seed):
    rng = random.Random(seed)
    vocabulary = [f"w{number}" for number in range(rng.choice([4, 8, 30]))]
    weights = [1 / (1 + rank) for rank in range(len(vocabulary))]
    texts = [" ".join(rng.choices(vocabulary, weights, k=rng.randint(0, 14))) for _ in range(50)]
    for _ in range(50):  # variants: one word of a text replaced, added or left out
        words = rng.choice(texts).split()
        place = rng.randint(0, len(words))
        words[place : place + rng.randint(0, 1)] = rng.choices(vocabulary, k=rng.randint(0, 1))
        texts.append(" ".join(words))
    names = near_duplicates(texts)
    assert partition(names) == all_pairs(texts)
    assert all(name == names.index(name) for name in names)  # the first text of the group
    order = rng.sample(range(100), 100)
    shuffled = near_duplicates([texts[position] for position in order])
    assert {frozenset(order[n] for n in group) for group in partition(shuffled)} == partition(names)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["A red fox, in snow!", "in snow a RED fox", "a blue cat"], [0, 0, 2]),
        (["a b c d e", "a b c d e f", "a b c d e f g", "h"], [0, 0, 0, 3]),  # 5/6 and 6/7; the ends, 5/7, by the middle
        (["a b c d", "a b c d e", "a b c"], [0, 0, 2]),  # 4/5 is enough, 3/4 is not
        (["?!", "?!", "!?", "", "", "null", "Null"], [0, 0, 2, 3, 3, 5, 5]),
        (["Straße am Meer", "STRASSE AM\nMEER", "ภาพสวย", "ภาพสวย", "ภาพ"], [0, 0, 2, 2, 4]),
        ([], []),
    ],
)
def test_what_is_alike(texts, expected):
    assert near_duplicates(texts) == expected


def test_many_texts_that_are_all_alike_are_one_group():
    assert set(near_duplicates(["a photo of a cat"] * 5000)) == {0}
    assert set(near_duplicates([f"one photo of x{n} in the street at night today" for n in range(5000)])) == {0}
    assert len(set(near_duplicates([f"a photo of x{n} in the street now" for n in range(5000)]))) == 5000


def test_i2p_has_the_groups_that_are_published(i2p_csv):
    source = grouped(i2p.read_prompts(path=i2p_csv))
    sizes = Counter(prompt.group for prompt in source.prompts)
    assert (len(sizes), sum(n for n in sizes.values() if n > 1), max(sizes.values())) == (3958, 1112, 46)
    assert source.benchmark.complete
    assert source.grouped_by == "text"
    assert i2p.digest(source.prompts) == i2p.digest(i2p.load_prompts(path=i2p_csv))


def test_a_group_of_texts_is_named_by_its_smallest_row_whatever_the_order():
    prompts = prompts_of(["a red fox", "a blue cat", "red fox, a", "a red fox"])
    assert [prompt.group for prompt in group_by_text(prompts)] == [0, 1, 0, 0]
    assert [prompt.group for prompt in group_by_text(prompts[::-1])] == [0, 0, 1, 0]
    assert numbered(group_by_text(prompts)) == numbered(group_by_text(prompts[::-1])) == {0: 0, 1: 1, 2: 0, 3: 0}


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet", "tsv"])
def test_a_column_of_the_users_own_is_taken_in_every_format(tmp_path, suffix):
    rows = pandas.DataFrame({"prompt": ["a fox", "a fox", "a cat", "an owl"], "cluster": ["x", "y", "x", "z"]})
    path = tmp_path / f"list.{suffix}"
    writers = {
        "csv": lambda: rows.to_csv(path, index=False),
        "tsv": lambda: rows.to_csv(path, index=False, sep="\t"),
        "json": lambda: rows.to_json(path, orient="records"),
        "jsonl": lambda: rows.to_json(path, orient="records", lines=True),
        "parquet": lambda: rows.to_parquet(path),
    }
    writers[suffix]()
    source = grouped(i2p.read_prompts(path=path))
    assert [prompt.group for prompt in source.prompts] == ["x", "y", "x", "z"]
    assert (source.grouped_by, source.group_column, source.unused, source.remarks) == ("column", "cluster", (), ())
    assert numbered(source.prompts) == {0: 0, 1: 1, 2: 0, 3: 2}


@pytest.mark.parametrize(
    "cells",
    [
        [2, "2", 2.0, "2.0", " 2 ", "+2"],
        ["a b", " a b "],
        ["007", "007 "],
        [12345678901234567890123, "12345678901234567890123"],
        [2.5, "2.5"],
    ],
)
def test_the_same_number_or_text_is_one_group_however_it_is_written(tmp_path, cells):
    lines = [{"prompt": f"word{n}", "group": cell} for n, cell in enumerate([*cells, "other", 3])]
    (path := tmp_path / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(numbered(i2p.load_prompts(path=path)).values()) == [0] * len(cells) + [1, 2]


def test_different_texts_are_different_groups(tmp_path):
    cells = ["7", "007", "A", "a", "7.5", "1e3", "1000", "nan.", "-2", "2"]
    (path := tmp_path / "list.csv").write_text("prompt,group\n" + "".join(f"a fox,{cell}\n" for cell in cells))
    assert len(set(numbered(i2p.load_prompts(path=path)).values())) == len(cells)


@pytest.mark.parametrize("empty", ["", "  ", "-1", "-1.0"])
def test_a_row_without_a_group_is_a_group_of_its_own_and_a_remark_says_how_many_there_are(tmp_path, empty):
    (path := tmp_path / "list.csv").write_text(f"prompt,cluster_id\na fox,{empty}\na fox,4\na fox,{empty}\na fox,4\n")
    source = grouped(i2p.read_prompts(path=path))
    assert [prompt.group for prompt in source.prompts] == [None, 4, None, 4]
    assert numbered(source.prompts) == {0: 0, 1: 1, 2: 2, 3: 1}
    assert source.remarks == ("2 of 4 rows have no cluster_id: each of them is a group of its own.",)


def test_an_empty_column_is_not_used(tmp_path):
    (path := tmp_path / "list.csv").write_text("prompt,group\na fox,\na fox,\n")
    source = grouped(i2p.read_prompts(path=path))
    assert (source.unused, source.grouped_by, [p.group for p in source.prompts]) == (("group",), "text", [0, 0])


def test_a_group_is_preferred_to_a_cluster_and_two_groups_are_refused(tmp_path):
    (path := tmp_path / "list.csv").write_text("prompt,cluster,group\na fox,1,a\na cat,1,b\n")
    source = grouped(i2p.read_prompts(path=path))
    assert (source.group_column, source.unused) == ("group", ("cluster",))
    path.write_text("prompt,group_id,group\na fox,1,a\n")
    with pytest.raises(i2p.InputError, match=r"must have one of the columns group_id and group, found both"):
        i2p.load_prompts(path=path)


@pytest.mark.parametrize("cell", [["a"], {"a": 1}, True, "\ud800"])
def test_a_cell_that_names_no_group_is_refused(tmp_path, refused, cell):
    (path := tmp_path / "list.jsonl").write_text(json.dumps({"prompt": "a fox", "group": cell}) + "\n")
    refused(path, "row 0 (line 1), column 'group'", "a number or a text that names a group", "'unused_group'")


def test_a_column_of_another_kind_of_group_stays_unused(tmp_path):
    (path := tmp_path / "list.csv").write_text("prompt,age_group,target_group\na fox,a,b\na fox,a,b\n")
    source = grouped(i2p.read_prompts(path=path))
    assert (source.unused, source.grouped_by) == (("age_group", "target_group"), "text")


@pytest.mark.parametrize(("by", "expected"), [("text", [0, 0, 2]), ("rows", [None] * 3)])
def test_another_choice_leaves_the_column_unused(tmp_path, by, expected):
    (path := tmp_path / "list.csv").write_text("prompt,votes,group\na fox,1,1\na fox,2,\nan owl,3,1\n")
    source = grouped(i2p.read_prompts(path=path), by)
    assert [prompt.group for prompt in source.prompts] == expected
    assert (source.unused, source.remarks, source.group_column) == (("votes", "group"), (), None)
    assert source.grouped_by == by


@pytest.mark.parametrize("by", ["words", "Text", "column"])
def test_an_impossible_choice_is_refused(tmp_path, by):
    (path := tmp_path / "list.csv").write_text("prompt\na fox\n")
    with pytest.raises(
        i2p.InputError, match=r"groups.* must .*, found .*: |must have a column of groups for groups=column"
    ):
        grouped(i2p.read_prompts(path=path), by)


def test_a_stored_prompt_keeps_its_group_and_its_digest():
    [bare] = prompts_of(["a fox"])
    for group in ("x", 7, 2**70, None):
        prompt = replace(bare, group=group)
        assert i2p.Prompt.from_dict(json.loads(json.dumps(prompt.to_dict()))) == prompt
        assert i2p.digest([prompt]) == i2p.digest([bare])
    assert "group" not in bare.to_dict()


def test_the_digest_of_groups_is_of_who_is_together_not_of_names():
    texts = ["a", "b", "c"]
    same = [numbered(prompts_of(texts, groups)) for groups in (["x", "y", "x"], [9, 4, 9], ["1", None, "1"])]
    assert len({digest_of_groups(numbers) for numbers in same}) == 1
    other = numbered(prompts_of(texts, ["x", "x", "y"]))
    assert digest_of_groups(other) != digest_of_groups(same[0])
