"""The usual way: diffusers' pipelines, one method after the other, pictures saved and judged in the loop."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.deprecated.stable_diffusion_safe import StableDiffusionPipelineSafe
from nudenet import NudeDetector
from PIL import Image

import i2p
import sld
from engine_bench import meter
from engine_bench.world import World
from eval.judges import Detection
from eval.judges.q16 import Q16
from eval.measure import flags
from sld.models import LoadedModel

diffusers.utils.logging.set_verbosity_error()  # otherwise each of its deprecations is reported at every start


class Reference:
    """Draws `images_at_once` images of one prompt.

    The model may be shared with other references of the same layout; `q16` takes one picture per call. With options of
    torch.compile, the denoiser is compiled with them and in channels-last layout.
    """

    def __init__(
        self, world: World, model: LoadedModel, q16: Q16, images_at_once: int, options: Mapping[str, bool] | None = None
    ):
        self.world, self.model, self.at_once = world, model, images_at_once
        parts = {name: getattr(self.model, name) for name in ("unet", "text_encoder", "tokenizer", "scheduler")}
        parts["vae"] = self.model.vae.to(self.model.dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is deprecated, which is why this project exists
            self.plain, self.safe = (
                cls(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
                for cls in (StableDiffusionPipeline, StableDiffusionPipelineSafe)
            )
        if options is not None:
            self.model.unet.to(memory_format=torch.channels_last)
            for pipeline in (self.plain, self.safe):
                # For fixed shapes, as in `sld.tuning`.
                pipeline.unet = torch.compile(self.model.unet, fullgraph=True, dynamic=False, options=dict(options))
        for pipeline in (self.plain, self.safe):
            pipeline.set_progress_bar_config(disable=True)
        self.q16, self.nudenet = q16, NudeDetector()
        self._to_compile = [] if options is None else [self.plain, self.safe]

    @contextlib.contextmanager
    def _decoding_timed(self) -> Iterator[None]:
        vae, device = self.model.vae, self.world.device
        decode = vae.decode

        def counted(*arguments, **options):
            meter.synchronise(device)
            start = time.perf_counter()
            decoded = decode(*arguments, **options)
            meter.synchronise(device)
            self.decoding += time.perf_counter() - start
            return decoded

        vae.decode = counted
        try:
            yield
        finally:
            del vae.decode

    def flops(self) -> int:
        """Return the FLOP of one evaluation."""
        latents = torch.zeros(1, *self.model.latent_shape(self.world.side, self.world.side))
        latents = latents.to(self.world.device, self.model.dtype)
        width = self.model.unet.config.cross_attention_dim
        text = torch.zeros(1, self.model.texts.length, width).to(latents)
        return meter.flops(lambda: self.model.unet(latents, torch.tensor(500, device=latents.device), text))

    @torch.no_grad()
    def run(
        self, prompts: Sequence[i2p.Prompt], images: int, methods: Sequence[str], steps: int, out: Path
    ) -> meter.Run:
        """Draw, judge and save `images` per prompt with each method, and return what it took."""
        run = meter.Run(noises=len(prompts) * images)
        evaluation = self.flops()
        for name in methods:
            (out / name).mkdir(parents=True, exist_ok=True)
        with meter.peak_memory(self.world.device, run), self._decoding_timed():
            start = time.perf_counter()
            for prompt in prompts:
                for first in range(0, images, self.at_once):
                    indices = range(first, min(first + self.at_once, images))
                    for name in methods:
                        pictures = self._draw(prompt, indices, name, steps, run)
                        branches = 2 if name == "baseline" else 3
                        run.evaluations += branches * steps * len(indices)
                        for index, picture in zip(indices, pictures, strict=True):
                            path = out / name / f"{prompt.row}_{index}.png"
                            run.labels[name, prompt.row, index] = self._keep_and_judge(picture, path)
            run.seconds = time.perf_counter() - start
        run.flops = run.evaluations * evaluation
        return run

    def _draw(self, prompt: i2p.Prompt, indices: range, name: str, steps: int, run: meter.Run) -> np.ndarray:
        model, self.decoding = self.model, 0.0
        shape = model.latent_shape(prompt.height, prompt.width)
        noise = sld.unit_noise([prompt.seed] * len(indices), list(indices), shape)
        options = {
            "num_images_per_prompt": len(indices),
            "latents": noise.to(model.device, model.dtype),
            "guidance_scale": prompt.guidance_scale,
            "num_inference_steps": steps,
            "height": prompt.height,
            "width": prompt.width,
            "output_type": "np",
        }
        pipeline = self.plain
        if name != "baseline":
            preset, pipeline = sld.METHODS[name].safety, self.safe
            options |= {
                "sld_guidance_scale": preset.guidance_scale,
                "sld_warmup_steps": preset.warmup_steps,
                "sld_threshold": preset.threshold,
                "sld_momentum_scale": preset.momentum_scale,
                "sld_mom_beta": preset.momentum_beta,
            }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            pictures = pipeline(prompt.text, **options).images
        seconds = time.perf_counter() - start
        if pipeline in self._to_compile:  # each has rows of its own
            self._to_compile.remove(pipeline)
            print(f"{type(pipeline).__name__} compiled and drew in {seconds:.0f} s", file=sys.stderr, flush=True)
        run.denoising += seconds - self.decoding
        return (pictures * 255).round().astype(np.uint8)

    def _keep_and_judge(self, picture: np.ndarray, path: Path) -> bool:
        Image.fromarray(picture).save(path)
        logits = self.q16.judge(np.asarray(Image.open(path))[None])
        detected = self.nudenet.detect(str(path))
        detections = [Detection(d["class"], d["score"], tuple(d["box"])) for d in detected]
        return bool(flags.q16_inappropriate(logits)[0]) or flags.nude(detections, "i2p")
