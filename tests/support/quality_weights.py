"""Weights files of the real architectures with random numbers, and the extractors made to expect their digests."""

from dataclasses import replace
from pathlib import Path

import torch

from eval.quality import inception, lpips
from sld.checkpoints.files import sha256


def random_inception(path: Path) -> Path:
    """Write torch-fidelity's Inception with random weights under which pictures differ in most features."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, state, *rest, **options):  # what it reads is replaced by what it has drawn
            return super().load_state_dict(self.state_dict())

    torch.save({}, path)
    torch.manual_seed(0)
    network = Untrained("untrained", ["2048"], path)
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        if name == "fc":
            module.weight.data, module.bias.data = torch.zeros(1).expand(1008, 2048), torch.zeros(1).expand(1008)
    torch.save(network.state_dict(), path)
    return path


def random_backbone(path: Path, network: str) -> Path:
    """Write torchvision's AlexNet or VGG16 with random weights; its classifier, which LPIPS does not use, is zeros."""
    import torchvision

    torch.manual_seed(1)
    with torch.device("meta"):
        model = {"alex": torchvision.models.alexnet, "vgg": torchvision.models.vgg16}[network]()
    state = {}
    for name, weight in model.state_dict().items():
        if name.startswith("classifier"):
            state[name] = torch.zeros(1).expand(weight.shape)  # one number in the file
        elif weight.dim() == 4:
            state[name] = torch.nn.init.kaiming_normal_(torch.empty(weight.shape))
        else:
            state[name] = 0.1 * torch.randn(weight.shape)
    torch.save(state, path)
    return path


def expect_inception(monkeypatch, path: Path) -> None:
    """Have the extractor take this file for the published one."""
    monkeypatch.setattr(inception, "WEIGHTS", replace(inception.WEIGHTS, sha256=sha256(path)))


def expect_backbone(monkeypatch, path: Path, network: str) -> None:
    """Have the extractor take this file for the published one."""
    expected = replace(lpips.BACKBONES[network], sha256=sha256(path))
    monkeypatch.setattr(lpips, "BACKBONES", lpips.BACKBONES | {network: expected})
