"""The text network of the small CLIP: captions to the embeddings of the image network, which stays as it is.

Contrastive, as CLIP was trained: of a batch's pictures a caption has to find its own, and of its captions a picture
(arXiv 2103.00020). Only the text side learns, so that the judge remains the same to the bit.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from demo_training.common import batches, plot, train
from eval.judges.q16 import Q16
from eval.quality.text import padded, text_network
from sld.checkpoints.layout import write_json
from sld.models.text import load_tokenizer

BATCH = 256
WIDTH = {"width": 64, "heads": 4, "layers": 2, "mlp_ratio": 2.0}
FIRST_SCALE, LAST_SCALE = 1 / 0.07, 100  # of the logits, as CLIP's


def train_text(
    folder: Path, plots: Path, tokenizer: Path, captions: list[str], pictures: torch.Tensor, *, steps: int, device: str
) -> None:
    """Train on captions and pictures, (N, 64, 64, 3) uint8, and write `text.json` and `text.safetensors` to `folder`.

    Args:
        folder: of the trained image network.
        plots: for the plot of the loss.
        tokenizer: the folder of the model's.
        captions: of the pictures; empty ones are left out, since they describe nothing.
        pictures: as the judge sees them.
        steps: of training.
        device: of the training.
    """
    torch.manual_seed(0)
    places = [place for place, caption in enumerate(captions) if caption]
    judge = Q16(folder / "config.json", folder / "model.safetensors", folder / "prompts.safetensors", batch_size=64)
    seen = torch.from_numpy(judge.embed(list(pictures[places].numpy()))).to(device)
    words = load_tokenizer(tokenizer)
    config = {"context_length": words.model_max_length, "vocab_size": len(words), **WIDTH}
    network = text_network(json.loads((folder / "config.json").read_text())["model_cfg"], config).to(device)
    network.logit_scale.data.fill_(math.log(FIRST_SCALE))
    numbers = words([captions[place] for place in places], add_special_tokens=False).input_ids
    tokens = padded(numbers, words.bos_token_id, words.eos_token_id, network.context_length).to(device)
    order = batches(len(places), BATCH, seed=7)
    own = torch.arange(min(BATCH, len(places)), device=device)

    def loss() -> torch.Tensor:
        chosen = next(order)
        scale = network.logit_scale.clamp(max=math.log(LAST_SCALE)).exp()
        logits = scale * network.encode_text(tokens[chosen], normalize=True) @ seen[chosen].T
        return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2

    losses = train("text", list(network.parameters()), loss, steps=steps, rate=2e-3)
    plot(losses, plots / "text.png", "Text network of the CLIP")
    write_json(folder / "text.json", config)
    weights = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / "text.safetensors")
