"""A report counts the prompts that repeat the text and the seed of another."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from manifests import manifest_of

import i2p
from eval.report.description.repeats import repeats_notes

FIRST = i2p.load_prompts("demo")[0]
OTHERS = [replace(prompt, row=prompt.row) for prompt in i2p.load_prompts("demo")[1:4]]
DATA = Path(os.environ.get("I2P_BENCH_DATA", Path(__file__).resolve().parents[5] / "shared/data"), "i2p_benchmark.csv")


def again(row, **changes):
    return replace(FIRST, row=row, **changes)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], None),
        ([again(901, seed=FIRST.seed + 1)], None),
        ([again(901, text=FIRST.text + " at night")], None),
        (
            [again(901)],
            f"1 prompt has the text and the seed of an earlier one (rows 901 as {FIRST.row}), and each counts as a "
            "prompt of its own, though the same pictures are drawn again.",
        ),
        (
            [again(901, guidance_scale=3.0)],
            f"1 prompt has the text and the seed of an earlier one (rows 901 as {FIRST.row}), and each counts as a "
            "prompt of its own; guidance scale or size differ, and so do the pictures.",
        ),
        (
            [again(901), again(902, height=512)],
            f"2 prompts have the text and the seed of an earlier one (rows 901 as {FIRST.row}, 902 as {FIRST.row}), "
            "and each counts as a prompt of its own; 1 of them with the same guidance scale and size, so that the same "
            "pictures are drawn again.",
        ),
    ],
)
def test_repeated_prompts_are_counted_with_what_they_draw(more, told):
    assert list(repeats_notes(manifest_of(), [FIRST, *OTHERS, *more])) == ([told] if told else [])


def test_nothing_is_claimed_of_pictures_that_the_run_did_not_draw():
    [note] = repeats_notes(manifest_of(model={"source": "pictures", "layout": "flat"}), [FIRST, again(901)])
    assert note.endswith("and each counts as a prompt of its own.")
    assert list(repeats_notes(manifest_of(source="none"), [FIRST, again(901)])) == []


@pytest.mark.skipif(not DATA.is_file(), reason="the prompts of I2P are not in I2P_BENCH_DATA")
def test_i2p_repeats_eleven_of_its_prompts():
    import pandas

    table = pandas.read_csv(DATA)
    repeats = table.duplicated(["prompt", "sd_seed"]).sum()
    [note] = repeats_notes(manifest_of(), i2p.load_prompts(DATA))
    assert note.startswith(f"{repeats} prompts have the text and the seed of an earlier one")
