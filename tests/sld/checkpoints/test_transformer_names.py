"""SD 3's weights in the original layout become those of diffusers, each by itself."""

import pytest
import torch
from diffusers import SD3Transformer2DModel
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers

from sld.checkpoints.transformer_names import is_original, pieces

LAYERS, WIDTH = 3, 8


@pytest.fixture(scope="module")
def transformer():
    return SD3Transformer2DModel(
        sample_size=4, patch_size=1, in_channels=4, num_layers=LAYERS, attention_head_dim=4, num_attention_heads=2,
        joint_attention_dim=8, caption_projection_dim=WIDTH, pooled_projection_dim=8, out_channels=4,
        pos_embed_max_size=4, dual_attention_layers=(0,), qk_norm="rms_norm",
    )  # fmt: skip


@pytest.fixture(scope="module")
def original():
    """Weights under the names of Stability AI's mmditx.py; the last block of the text ends with its attention."""
    weights = {"pos_embed": (1, 16, WIDTH)}

    def linear(name, rows, columns=WIDTH):
        weights.update({f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)})

    weights.update({"x_embedder.proj.weight": (WIDTH, 4, 1, 1), "x_embedder.proj.bias": (WIDTH,)})
    linear("t_embedder.mlp.0", WIDTH, 256)
    for name in ("t_embedder.mlp.2", "y_embedder.mlp.0", "y_embedder.mlp.2", "context_embedder"):
        linear(name, WIDTH)
    linear("final_layer.linear", 4)
    linear("final_layer.adaLN_modulation.1", 2 * WIDTH)
    for block in range(LAYERS):
        for side in ("x_block", "context_block"):
            stem, last = f"joint_blocks.{block}.{side}", side == "context_block" and block == LAYERS - 1
            attentions = ("attn", "attn2") if side == "x_block" and block == 0 else ("attn",)
            for attention in attentions:
                linear(f"{stem}.{attention}.qkv", 3 * WIDTH)
                weights.update({f"{stem}.{attention}.ln_{half}.weight": (4,) for half in "qk"})
                if not last:
                    linear(f"{stem}.{attention}.proj", WIDTH)
            linear(f"{stem}.adaLN_modulation.1", WIDTH * (2 if last else 9 if len(attentions) == 2 else 6))
            if not last:
                linear(f"{stem}.mlp.fc1", 4 * WIDTH)
                linear(f"{stem}.mlp.fc2", WIDTH, 4 * WIDTH)
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in weights.items()}


def ours(original, transformer):
    return {
        piece.name: piece.of(value) for name, value in original.items() for piece in pieces(name, transformer.config)
    }


def test_a_whole_transformer_becomes_what_diffusers_makes_of_it(transformer, original):
    converted = ours(original, transformer)
    reference = convert_sd3_transformer_checkpoint_to_diffusers(dict(original))
    assert converted.keys() == reference.keys() == transformer.state_dict().keys()
    assert all(torch.equal(value, reference[name]) for name, value in converted.items())


def test_shapes_of_pieces_are_known_from_the_shape_of_the_whole(transformer, original):
    for name, value in original.items():
        for piece in pieces(name, transformer.config):
            assert piece.shape_of(tuple(value.shape)) == piece.of(value).shape


def test_each_weight_alone_becomes_the_same_as_in_the_whole(transformer, original):
    whole = ours(original, transformer)
    for name, value in original.items():
        for piece_name, part in ours({name: value}, transformer).items():
            assert torch.equal(part, whole[piece_name])


def test_only_names_of_the_original_layout_have_pieces(transformer, original):
    shared = {"context_embedder.weight", "context_embedder.bias"}
    assert all(is_original(name) for name in original.keys() - shared)
    assert not any(is_original(name) for name in transformer.state_dict())
    pieces_of_own = {name: list(pieces(name, transformer.config)) for name in transformer.state_dict()}
    assert {name for name, of_it in pieces_of_own.items() if of_it} == shared
    for name in ("joint_blocks.0.y_block.attn.qkv.weight", "joint_blocks.0.x_block.attn.weight", "final_layer.weight"):
        assert list(pieces(name, transformer.config)) == []
