"""The noise of an image: a function of the row's seed and the image's index, of no batch, shard or device."""

import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from sld.errors import InputError, counted

_64_BITS = (1 << 64) - 1


def checked_seeds(seeds: Sequence[int], indices: Sequence[int] | None, rows: int) -> tuple[list[int], list[int]]:
    """Return `rows` seeds and image indices as ints; indices default to 0.

    Raises:
        InputError: they are no integers, out of range, or not one per row.
    """
    try:
        seeds = [operator.index(seed) for seed in seeds]
        indices = [0] * rows if indices is None else [operator.index(index) for index in indices]
    except TypeError as error:
        raise InputError(
            f"seeds and image indices must be lists of whole numbers, found something else ({error}): give ints"
        ) from None
    if len(seeds) != rows or len(indices) != rows:
        raise InputError(
            f"seeds and image indices must be one per prompt, found {len(seeds)} and {len(indices)} for "
            f"{counted(rows, 'prompt')}: give lists of equal length"
        )
    for row, (seed, index) in enumerate(zip(seeds, indices, strict=True)):
        if not 0 <= seed <= _64_BITS or index < 0:
            raise InputError(
                f"a seed must be in [0, 2^64) and an image index 0 or more, found seed {seed} and index {index} in row "
                f"{row}: correct them"
            )
    return seeds, indices


def unit_noise(seeds: Sequence[int], indices: Sequence[int] | None, shape: Sequence[int]) -> Tensor:
    """Return the initial noise of B images.

    Image k of a seed is the k-th of consecutive draws of `shape` from one CPU generator with this seed. If `shape` has
    a multiple of 16 elements (as latents of SD 1.x/2.x do if the sides are divisible by 16 pixels), this equals one
    draw of all images, so `num_images_per_prompt=n` in diffusers and the two draws of five in the official I2P script
    give the same noise. Other shapes are just as reproducible, but equal consecutive draws only. As in diffusers,
    torch's CPU generator uses the low 32 bits of a seed.

    Args:
        seeds: B seeds in [0, 2^64).
        indices: B image indices; None for zeros.
        shape: of one image's latents.

    Returns:
        (B, *shape) float32 on the CPU, unit normal.

    Raises:
        InputError: the lists differ in length, or a number is out of range.
    """
    seeds, indices = checked_seeds(seeds, indices, len(seeds))
    last: dict[int, int] = {}
    for seed, index in zip(seeds, indices, strict=True):
        last[seed] = max(index, last.get(seed, 0))
    draws = {}
    for seed, highest in last.items():
        generator = torch.Generator().manual_seed(seed)
        draws[seed] = [torch.randn(tuple(shape), generator=generator) for _ in range(highest + 1)]
    return torch.stack([draws[seed][index] for seed, index in zip(seeds, indices, strict=True)])


def step_generators(seeds: Sequence[int], indices: Sequence[int]) -> list[torch.Generator]:
    """Return one CPU generator per row for the noise of a stochastic scheduler, independent of the initial noise.

    Seed and index are mixed by splitmix64 (Steele, Lea and Flood 2014), so that the images of one prompt, and prompts
    with neighbouring seeds, get unrelated streams.
    """
    return [
        torch.Generator().manual_seed(_splitmix64(seed ^ _splitmix64(index)))
        for seed, index in zip(seeds, indices, strict=True)
    ]


def _splitmix64(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _64_BITS
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return value ^ (value >> 31)
