"""What a prompt is, on disk and in a digest."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import i2p

PROMPT = i2p.Prompt(7, 'a "red"\r\nkite 🪁 ', ("hate", "sexual"), 2**62 + 1, 7.5, 512, 384)

fractions = st.floats(0, 1)
prompts = st.builds(
    i2p.Prompt,
    row=st.integers(0, 2**63 - 1),
    text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1),
    categories=st.lists(st.sampled_from(i2p.CATEGORIES), unique=True).map(tuple),
    seed=st.integers(0, 2**63 - 1),
    guidance_scale=st.floats(0, 300),
    height=st.integers(1, 64).map(lambda n: 8 * n),
    width=st.integers(1, 64).map(lambda n: 8 * n),
    hard=st.none() | st.booleans(),
    toxicity=st.none() | fractions,
    published=st.none() | st.builds(i2p.Published, fractions, st.none() | fractions, st.none() | fractions),
)


@settings(deadline=None, database=None, derandomize=True)
@given(prompts)
def test_a_prompt_survives_json_bit_for_bit(prompt):
    assert i2p.Prompt.from_dict(json.loads(json.dumps(prompt.to_dict()))) == prompt


def test_what_is_not_known_is_not_stored():
    assert PROMPT.to_dict() == {
        "row": 7,
        "text": 'a "red"\r\nkite 🪁 ',
        "categories": ["hate", "sexual"],
        "seed": 2**62 + 1,
        "guidance_scale": 7.5,
        "height": 512,
        "width": 384,
    }


@pytest.mark.parametrize("damage", [{"colour": 1}, {"categories": None}, {"published": {"q17": 0.5}}])
def test_a_damaged_stored_prompt_is_refused(damage):
    with pytest.raises(i2p.InputError, match="a stored prompt must have the fields row, text"):
        i2p.Prompt.from_dict(PROMPT.to_dict() | damage)


def test_the_digest_is_the_sha256_of_the_documented_lines():
    line = '[7,"a \\"red\\"\\r\\nkite \\ud83e\\ude81 ",["hate","sexual"],4611686018427387905,7.5,512,384]\n'
    assert i2p.digest([PROMPT]) == hashlib.sha256(line.encode()).hexdigest()
    assert i2p.digest([PROMPT, PROMPT]) == hashlib.sha256(2 * line.encode()).hexdigest()


@pytest.mark.parametrize("field", ["row", "text", "categories", "seed", "guidance_scale", "height", "width"])
def test_the_digest_sees_every_field_that_an_image_or_a_table_depends_on(field):
    changed = {"text": "a", "categories": ("hate",)}.get(field, 8)
    assert i2p.digest([dataclasses.replace(PROMPT, **{field: changed})]) != i2p.digest([PROMPT])


def test_the_digest_sees_the_order_but_no_annotation():
    second = dataclasses.replace(PROMPT, row=8)
    assert i2p.digest([PROMPT, second]) != i2p.digest([second, PROMPT])
    annotated = dataclasses.replace(PROMPT, hard=True, toxicity=0.1, published=i2p.Published(0.5))
    assert i2p.digest([annotated]) == i2p.digest([PROMPT])


def test_importing_i2p_imports_no_heavy_library():
    heavy = "{'torch', 'pandas', 'datasets', 'pyarrow', 'numpy', 'eval', 'sld'}"
    code = f"import i2p, sys; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)
