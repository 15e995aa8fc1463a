"""Small checkpoints of the real architecture, and diffusers' pipelines as the oracle."""

import copy
import functools
import runpy
import shutil
import warnings
from pathlib import Path

import diffusers
import numpy as np
import pytest
import read_once
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.deprecated.stable_diffusion_safe import StableDiffusionPipelineSafe
from safetensors.torch import save_file

import sld
from sld.schedulers import make_scheduler

torch.set_num_threads(1)
read_once.share()
diffusers.utils.logging.set_verbosity_error()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """SD 1.x-like, the smallest that has every kind of block."""
    return sld.write_tiny_checkpoint(tmp_path_factory.mktemp("sd1") / "small", seed=3, width=8, text_width=16)


@pytest.fixture(scope="session")
def wide_checkpoint(tmp_path_factory):
    """SD 1.x-like, wide enough that torch cuts its tensors between threads."""
    return sld.write_tiny_checkpoint(tmp_path_factory.mktemp("wide") / "tiny")


@pytest.fixture(scope="session")
def checkpoint_v(tmp_path_factory):
    """SD 2.x-like: v-prediction, linear projections, padding with `!`."""
    return sld.write_tiny_checkpoint(
        tmp_path_factory.mktemp("sd2") / "small", prediction_type="v_prediction", seed=4, width=8, text_width=16
    )


@pytest.fixture(scope="session")
def checkpoint_of(tmp_path_factory):
    """A small checkpoint by its family."""

    @functools.cache
    def checkpoint_of(family):
        folder = tmp_path_factory.mktemp(family) / "small"
        return sld.write_tiny_checkpoint(folder, family=family, seed=6, width=16, text_width=16)

    return checkpoint_of


@pytest.fixture(scope="session")
def loaded():
    """`sld.load_model` for tests that leave the networks as they are: a checkpoint is read once for all schedulers."""
    read = functools.cache(sld.load_model)

    def loaded(folder, scheduler=None, **options):
        model = copy.copy(read(folder, **options))
        model.scheduler = make_scheduler(scheduler, model.scheduler, model.standard, model.fixed)
        return model

    return loaded


@pytest.fixture(scope="session")
def model(loaded, checkpoint):
    return loaded(checkpoint, scheduler="ddim")


class Oracle:
    """Latents of diffusers' pipelines with a model's own components: the reference, not a dependency."""

    def __init__(self, model):
        parts = {name: getattr(model, name) for name in ("unet", "vae", "text_encoder", "tokenizer")}
        own = model.scheduler
        with warnings.catch_warnings():
            # The reference is deprecated, which is why nothing but tests uses it.
            warnings.simplefilter("ignore")
            self._plain, self._safe = (
                cls(
                    **parts, scheduler=type(own).from_config(own.config), safety_checker=None, feature_extractor=None,
                    requires_safety_checker=False,
                )
                for cls in (StableDiffusionPipeline, StableDiffusionPipelineSafe)
            )  # fmt: skip
        for pipeline in (self._plain, self._safe):
            pipeline.set_progress_bar_config(disable=True)
        self._safe.decode_latents = lambda latents: np.zeros(0)  # it always decodes, and its pictures are not looked at

    def plain(self, prompts, noise, output_type="latent", negative_prompt=None, **options):
        return self._plain(
            prompts, latents=noise.clone(), output_type=output_type,
            negative_prompt=negative_prompt and [negative_prompt] * len(prompts), **options,
        ).images  # fmt: skip

    def safe(self, prompts, noise, negative_prompt=None, **options):
        seen = []
        with warnings.catch_warnings():
            # It warns of deprecated decoding, and that safety guidance is off where it is.
            warnings.simplefilter("ignore")
            self._safe(
                prompts, latents=noise.clone(), negative_prompt=negative_prompt and [negative_prompt] * len(prompts),
                callback=lambda step, timestep, latents: seen.append(latents), output_type="np", **options,
            )  # fmt: skip
        return seen[-1]


@pytest.fixture(scope="session")
def oracle():
    return Oracle


@pytest.fixture(scope="session")
def spread_error():
    """Largest difference to the reference, as a fraction of the reference's standard deviation."""
    return lambda result, reference: ((result - reference).abs().max() / reference.std()).item()


@pytest.fixture(scope="session", params=["sd1", "sd2"])
def pair(request, tmp_path_factory):
    """A folder, the same weights in one file, and the folder's configuration alone."""
    folder = request.getfixturevalue("checkpoint" if request.param == "sd1" else "checkpoint_v")
    work = tmp_path_factory.mktemp("single")
    original_layout = runpy.run_path(str(Path(__file__).with_name("original_layout.py")))["original_layout"]
    save_file(original_layout(folder, request.param == "sd2"), work / "model.safetensors")
    shutil.copytree(folder, work / "config", ignore=shutil.ignore_patterns("*.safetensors"))
    return folder, work / "model.safetensors", work / "config"
