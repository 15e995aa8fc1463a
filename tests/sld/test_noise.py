"""Noise is a function of seed and image index alone."""

import pytest
import torch

import sld
from sld.noise import step_generators

SHAPE = (4, 8, 8)


def test_noise_depends_on_seed_and_index_alone():
    both = sld.unit_noise([3, 4, 3], [0, 2, 1], SHAPE)
    assert both.dtype == torch.float32
    assert both.shape == (3, *SHAPE)
    for row, (seed, index) in enumerate([(3, 0), (4, 2), (3, 1)]):
        assert torch.equal(sld.unit_noise([seed], [index], SHAPE)[0], both[row])
    assert len({row.numpy().tobytes() for row in sld.unit_noise([1, 1, 2, 2], [0, 1, 0, 1], SHAPE)}) == 4


def test_images_of_a_prompt_equal_one_draw_and_the_official_two_draws_of_five():
    ten = sld.unit_noise([41] * 10, range(10), SHAPE)
    assert torch.equal(ten, torch.randn(10, *SHAPE, generator=torch.Generator().manual_seed(41)))
    generator = torch.Generator().manual_seed(41)
    assert torch.equal(ten, torch.cat([torch.randn(5, *SHAPE, generator=generator) for _ in range(2)]))


def test_odd_shapes_are_reproducible_too():
    assert torch.equal(sld.unit_noise([1], [3], (4, 3, 5)), sld.unit_noise([1, 1], [3, 0], (4, 3, 5))[:1])


def test_seeds_of_i2p_reach_beyond_32_bits():
    for seed in (2**32, 2**64 - 1):
        expected = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(sld.unit_noise([seed], None, SHAPE)[0], expected)


def test_step_noise_streams_are_unrelated():
    generators = [*step_generators([1, 1, 2, 2**63], [0, 1, 0, 5]), torch.Generator().manual_seed(1)]
    draws = torch.stack([torch.randn(4096, generator=generator) for generator in generators])
    assert (torch.corrcoef(draws) - torch.eye(5)).abs().max() < 0.08


def test_step_noise_is_seeded_by_the_published_numbers_of_splitmix64():
    """Those that the states 0 and 1234567 give first: other constants would draw other pictures when a run resumes."""
    of_0, of_1234567 = 0xE220A8397B1DCDAF, 6457827717110365317
    (generator,) = step_generators([of_0 ^ 1234567], [0])
    assert generator.initial_seed() == of_1234567


@pytest.mark.parametrize(
    ("seeds", "indices", "words"),
    [([1.5], [0], "whole numbers"), ([-1], [0], "seed -1 .* row 0"), ([1, 2], [0], "found 2 and 1 for 2 prompts"),
     ([2**64], [0], "2\\^64"), ([1], [-1], "index -1")],
)  # fmt: skip
def test_impossible_seeds_are_refused(seeds, indices, words):
    with pytest.raises(sld.InputError, match=words):
        sld.unit_noise(seeds, indices, SHAPE)


def test_sampling_uses_the_noise_of_seed_and_index(model):
    options = {"steps": 2, "decode": False, "batch_size": 2}
    drawn = sld.sample(model, ["a cat"] * 2, seeds=[9, 9], indices=[0, 3], **options)
    noise = sld.sample(model, ["a cat"] * 2, noise=sld.unit_noise([9, 9], [0, 3], SHAPE), **options)
    assert torch.equal(drawn.latents["baseline"], noise.latents["baseline"])
