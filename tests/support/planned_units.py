"""Units of made-up prompts, and what they cost."""

import dataclasses

import i2p
import sld
from eval.plan.batches import Work
from eval.plan.plan import Plan, Unit

PRESETS = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
SMALL, LARGE = (64, 64), (96, 64)


def work(methods=PRESETS, steps=50, guidance_scale=7.0):
    return Work(plan(methods, steps, guidance_scale), steps)


def plan(methods=PRESETS, steps=50, guidance_scale=7.0):
    protocol = dataclasses.replace(i2p.get_protocol("dataset"), steps=steps)
    prompts = (prompt(0, guidance_scale=guidance_scale),)
    return Plan(prompts, tuple(sld.METHODS[name] for name in methods), protocol, ())


def units(count, size=SMALL):
    return [Unit(prompt(row, size), 0) for row in range(count)]


def prompt(row, size=SMALL, guidance_scale=7.0):
    return i2p.Prompt(row, "a", ("hate",), 1, guidance_scale, *size)
