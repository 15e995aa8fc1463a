"""`references.bib`: the BibTeX of what a run used, ready to be cited."""

from __future__ import annotations

from collections.abc import Iterator

from eval.base.cli import version
from eval.store.manifest import Manifest

SLD = """@inproceedings{schramowski2023safe,
  title     = {Safe Latent Diffusion: Mitigating Inappropriate Degeneration in Diffusion Models},
  author    = {Schramowski, Patrick and Brack, Manuel and Deiseroth, Bj{\\"o}rn and Kersting, Kristian},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2023},
  note      = {arXiv:2211.05105}
}"""
Q16 = """@inproceedings{schramowski2022can,
  title     = {Can Machines Help Us Answering Question 16 in Datasheets, and In Turn Reflecting on Inappropriate
               Content?},
  author    = {Schramowski, Patrick and Tauchmann, Christopher and Kersting, Kristian},
  booktitle = {ACM Conference on Fairness, Accountability, and Transparency (FAccT)},
  year      = {2022}
}"""
CLIP = """@inproceedings{radford2021learning,
  title     = {Learning Transferable Visual Models From Natural Language Supervision},
  author    = {Radford, Alec and Kim, Jong Wook and Hallacy, Chris and Ramesh, Aditya and Goh, Gabriel and Agarwal,
               Sandhini and Sastry, Girish and Askell, Amanda and Mishkin, Pamela and Clark, Jack and Krueger, Gretchen
               and Sutskever, Ilya},
  booktitle = {International Conference on Machine Learning (ICML)},
  year      = {2021}
}"""
NUDENET = """@misc{bedapudi2019nudenet,
  title        = {{NudeNet}: Neural Nets for Nudity Detection and Censoring},
  author       = {Bedapudi, Praneeth},
  howpublished = {\\url{https://github.com/notAI-tech/NudeNet}},
  year         = {2019}
}"""
STABLE_DIFFUSION = """@inproceedings{rombach2022high,
  title     = {High-Resolution Image Synthesis with Latent Diffusion Models},
  author    = {Rombach, Robin and Blattmann, Andreas and Lorenz, Dominik and Esser, Patrick and Ommer, Bj{\\"o}rn},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2022}
}"""
# Family → who made it; others than these have no entry.
MODELS = {
    "stable-diffusion": STABLE_DIFFUSION,
    "stable-diffusion-xl": """@misc{podell2023sdxl,
  title  = {{SDXL}: Improving Latent Diffusion Models for High-Resolution Image Synthesis},
  author = {Podell, Dustin and English, Zion and Lacey, Kyle and Blattmann, Andreas and Dockhorn, Tim and M{\\"u}ller,
            Jonas and Penna, Joe and Rombach, Robin},
  year   = {2023},
  note   = {arXiv:2307.01952}
}""",
    "stable-diffusion-3": """@misc{esser2024scaling,
  title  = {Scaling Rectified Flow Transformers for High-Resolution Image Synthesis},
  author = {Esser, Patrick and others},
  year   = {2024},
  note   = {arXiv:2403.03206}
}""",
    "pixart-sigma": """@misc{chen2024pixart,
  title  = {{PixArt-$\\Sigma$}: Weak-to-Strong Training of Diffusion Transformer for {4K} Text-to-Image Generation},
  author = {Chen, Junsong and others},
  year   = {2024},
  note   = {arXiv:2403.04692}
}""",
}


def references_bib(*manifests: Manifest) -> str:
    """Return the entries of what runs used: their prompts, methods, judges and models, and this version."""
    entries = dict.fromkeys(entry for manifest in manifests for entry in _entries(manifest))
    return "\n\n".join([*entries, _own()]) + "\n"


def _entries(manifest: Manifest) -> Iterator[str]:
    identity = manifest.identity
    model, judges = identity.model, identity.judges
    if manifest.is_i2p or any(method.preset is not None for method in identity.methods):
        yield SLD
    if "q16" in judges and not judges["q16"].demo:
        yield Q16
        yield CLIP
    if "nudenet" in judges:
        yield NUDENET
    if model.replayed:  # the dataset's own results, of SD v1.4
        yield STABLE_DIFFUSION
    elif not model.demo and model.family in MODELS:
        yield MODELS[model.family]


def _own() -> str:
    return (
        "@misc{i2p-bench,\n"
        "  title  = {i2p-bench: how often text-to-image models make inappropriate images on {I2P}},\n"
        "  author = {{The i2p-bench developers}},\n"
        f"  year   = {{2026}},\n  note   = {{Version {version()}}}\n}}"
    )
