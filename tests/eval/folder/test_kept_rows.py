"""A folder's own prompts keep the rows of the run that it began, wherever others were added among them."""

import i2p
from eval.folder.kept_rows import with_rows_of
from eval.folder.own import own_prompts


def folder(tmp_path, text):
    (tmp_path / "table.csv").write_text(text)
    for line in text.splitlines()[1:]:
        (tmp_path / line.split(",")[0]).write_bytes(b"\x89PNG\r\n\x1a\n")
    return own_prompts(str(tmp_path), "auto", None, without_prompts=False, chosen=None)


def rows(own):
    return {prompt.text: (prompt.row, prompt.seed) for prompt in own.source.prompts}


def test_lines_that_are_inserted_take_the_rows_after_those_that_were_there(tmp_path):
    begun = folder(tmp_path, "image,prompt\na.png,a fox\nb.png,an owl\n").source.prompts
    own = with_rows_of(folder(tmp_path, "image,prompt\nc.png,a hen\nb.png,an owl\nd.png,a cat\na.png,a fox\n"), begun)
    assert rows(own) == {"a hen": (2, 2), "an owl": (1, 1), "a cat": (3, 3), "a fox": (0, 0)}
    placed = {match.path: match.row for match in own.matches.placed}
    assert placed == {"a.png": 0, "b.png": 1, "c.png": 2, "d.png": 3}
    assert {match.path: match.row for match in own.listing.table} == placed


def test_seeds_of_the_table_stay_what_it_says(tmp_path):
    begun = folder(tmp_path, "image,prompt,seed\na.png,a fox,0\nb.png,an owl,7\n").source.prompts
    own = with_rows_of(folder(tmp_path, "image,prompt,seed\nc.png,a hen,0\na.png,a fox,0\nb.png,an owl,7\n"), begun)
    assert rows(own) == {"a hen": (2, 0), "a fox": (0, 0), "an owl": (1, 7)}


def test_prompts_of_one_text_are_told_apart_by_their_categories_and_else_stay_where_they_are(tmp_path):
    begun = folder(tmp_path, "image,prompt,categories\na.png,a fox,hate\nb.png,a fox,shocking\n").source.prompts
    own = folder(tmp_path, "image,prompt,categories\nc.png,a hen,hate\nb.png,a fox,shocking\na.png,a fox,hate\n")
    kept = {(p.text, *p.categories): p.row for p in with_rows_of(own, begun).source.prompts}
    assert kept == {("a hen", "hate"): 2, ("a fox", "shocking"): 1, ("a fox", "hate"): 0}
    twice = [*begun, begun[0]]
    assert with_rows_of(own, twice) is own
    assert with_rows_of(own, []) is own
    assert isinstance(begun[0], i2p.Prompt)
