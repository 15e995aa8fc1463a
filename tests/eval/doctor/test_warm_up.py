"""Before it looks at the clock the doctor has denoiser, decoder and judges do what they do once."""

from types import SimpleNamespace

import in_process
import numpy as np
import pytest
import torch

from eval.doctor import duration, warm_up


@pytest.mark.parametrize(("kind", "rows", "decoded"), [("cuda", 6, [(1, 4, 8, 4)]), ("cpu", 1, [])])
def test_denoiser_decoder_and_judges_have_worked_once_each_at_the_runs_size(monkeypatch, kind, rows, decoded):
    class Latents(SimpleNamespace):
        def to(self, device):
            assert device.type == "cuda"
            return self

    calls, chunks, judged = [], [], []
    plan = SimpleNamespace(usual_size=(64, 32))
    model = SimpleNamespace(device=torch.device(kind), latent_shape=lambda height, width: (4, height // 8, width // 8))

    def decode(model, latents, size):
        chunks.append(latents.shape)
        return torch.full((1, 64, 32, 3), 77, dtype=torch.uint8) + torch.arange(3, dtype=torch.uint8), torch.tensor(
            [True]
        )

    monkeypatch.setattr(warm_up, "two_calls", lambda model, plan, methods, rows: calls.append(rows))
    monkeypatch.setattr(warm_up, "unit_noise", lambda seeds, indices, shape: Latents(shape=(1, *shape)))
    monkeypatch.setattr(warm_up, "decode_images", decode)
    monkeypatch.setattr(warm_up, "judge", lambda batch, judges: judged.append((batch, judges)))
    judges = {"nudenet": object()}
    warm_up.warm_up(model, plan, judges, 6)
    assert (calls, chunks) == ([rows], decoded)
    ((batch, asked),) = judged
    assert asked is judges
    (image,) = batch.images
    assert (image.pixels.shape, image.pixels.dtype) == ((64, 32, 3), np.uint8)
    assert image.pixels.std() > 0  # a blank picture is not judged
    assert (batch.on_device is not None) == (kind == "cuda")


def test_nothing_is_timed_before_that(monkeypatch, tmp_path):
    order = []
    monkeypatch.setattr(duration, "warm_up", lambda *arguments: order.append("warm"))
    timed = duration._seconds_of
    monkeypatch.setattr(duration, "_seconds_of", lambda *arguments: order.append("timed") or timed(*arguments))
    settings = ["prompts.rows=0-1", "protocol.steps=1", "methods=[baseline]", "sheet=false"]
    assert in_process.run("eval.doctor", *settings, cwd=tmp_path).returncode == 0
    assert order == ["warm", "timed"]
