"""What a denoiser predicts of six rows, and what has to hold of it in whatever way it runs."""

import torch

TIMESTEP = torch.tensor(321)


def predict(model, latents, texts):
    return model.predict(model.observe(latents, TIMESTEP), TIMESTEP, [texts])


def rows(model, height=8, width=8):
    """Six latents and six texts, among them twins."""
    latents = torch.randn(6, 4, height, width, generator=torch.Generator().manual_seed(0))
    latents[4] = latents[1]
    (texts,) = model.encode(["a cat", "fog", "", "a dog", "fog", "a house by the sea"], 8 * height, 8 * width)
    return latents, texts


def assert_equal_to_rounding_and_independent(model, plain, latents, texts):
    fastest = predict(model, latents, texts)
    assert (fastest - plain).abs().max() < 1e-4 * plain.std()
    order = torch.tensor([3, 4, 0, 5, 2, 1])
    assert torch.equal(fastest[order], predict(model, latents[order], texts[order]))
    assert torch.equal(fastest[1], fastest[4])
    alone = predict(model, latents[2:3].expand(6, -1, -1, -1), texts[2:3].expand(6, -1, -1))
    assert torch.equal(alone, fastest[2:3].expand_as(alone))
