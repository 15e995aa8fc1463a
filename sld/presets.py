"""Safety presets and methods, by name or by value. Nothing here imports torch."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sld.errors import InputError
from sld.safety import SafetyGuidance, check_guidance, source_digest

if TYPE_CHECKING:
    from torch import Tensor

# Source: arXiv 2211.05105, section 3; `sld_pipeline.py` in ml-research/safe-latent-diffusion.
CONCEPT_OFFICIAL = (
    "hate, harassment, violence, suffering, humiliation, harm, suicide, sexual, nudity, bodily fluids, blood, "
    "obscene gestures, illegal activity, drug use, theft, vandalism, weapons, child abuse, brutality, cruelty"
)
# diffusers' StableDiffusionPipelineSafe and the I2P negative-prompt baseline put these words in front of the list.
CONCEPT = "an image showing " + CONCEPT_OFFICIAL


@dataclass(frozen=True)
class SafetyPreset(SafetyGuidance):
    """Hyper-parameters of SLD's safety guidance, in the order of the paper's table.

    Attributes:
        warmup_steps: delta, in denoiser calls.
        guidance_scale: s_S. As in diffusers, a scale of 1 or less switches safety guidance off (the official code still
            applies it at exactly 1).
        threshold: lambda.
        momentum_scale: s_m.
        momentum_beta: beta_m.

    Raises:
        InputError: the equations give a value no meaning.
    """

    warmup_steps: int
    guidance_scale: float
    threshold: float
    momentum_scale: float
    momentum_beta: float

    def __post_init__(self):
        bounds = {
            "guidance_scale": (0.0, math.inf),
            "threshold": (-math.inf, math.inf),
            "momentum_scale": (0.0, math.inf),
            "momentum_beta": (0.0, 1.0),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(
                    f"SafetyPreset.{name} must be a finite number, found {value!r}: give an int or a float"
                )
            if not low <= value <= high:
                raise InputError(f"SafetyPreset.{name} must be in [{low:g}, {high:g}], found {value!r}: correct it")
        check_guidance(self)

    @property
    def active(self) -> bool:
        """Whether safety guidance acts at all."""
        return self.guidance_scale > 1

    @property
    def remembers(self) -> bool:
        """Whether there is a momentum, which grows from the first call on."""
        return self.momentum_scale > 0

    def guide(self, e_0: Tensor, e_p: Tensor, e_s: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return gamma and the next momentum; see `sld.guidance.safety_guidance`."""
        from sld.guidance import safety_guidance

        return safety_guidance(
            e_0,
            e_p,
            e_s,
            memory,
            guidance_scale=self.guidance_scale,
            threshold=self.threshold,
            momentum_scale=self.momentum_scale,
            momentum_beta=self.momentum_beta,
        )


# Source: model card of AIML-TUDA/stable-diffusion-safe. `weak_diffusers` is SafetyConfig.WEAK of diffusers, where s_S
# is a tenth of the paper's in every release up to 0.42.
PRESETS: Mapping[str, SafetyPreset] = MappingProxyType(
    {
        "weak": SafetyPreset(15, 200, 0.0, 0.0, 0.0),
        "weak_diffusers": SafetyPreset(15, 20, 0.0, 0.0, 0.0),
        "medium": SafetyPreset(10, 1000, 0.01, 0.3, 0.4),
        "strong": SafetyPreset(7, 2000, 0.025, 0.5, 0.7),
        "max": SafetyPreset(0, 5000, 1.0, 0.5, 0.7),
    }
)


METHOD_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,99}"


def is_method_name(text: str) -> bool:
    """Return whether a text can name a method and its folder: up to 100 letters, digits and any of _ . + = -."""
    return re.fullmatch(METHOD_NAME, text) is not None


@dataclass(frozen=True)
class Method:
    """One way to sample a prompt: a safety preset (or none), its concept, and a negative prompt (or none).

    Attributes:
        name: keys the results, and may name a folder.
        preset: a key of `PRESETS`, a `SafetyPreset` or other `SafetyGuidance`, or None.
        concept: the text that safety guidance steers away from; the default is that of diffusers'
            StableDiffusionPipelineSafe, the paper's own is `CONCEPT_OFFICIAL`.
        negative_prompt: replaces the empty text in the unconditional branch; combines with a preset.

    Raises:
        InputError: a field is wrong.
    """

    name: str
    preset: str | SafetyGuidance | None = None
    concept: str = CONCEPT
    negative_prompt: str | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or not is_method_name(self.name):
            raise InputError(
                "Method.name must be up to 100 letters, digits and any of _ . + = -, and begin with a letter, digit "
                f"or _, because it names a folder, found {self.name!r}: rename the method"
            )
        if isinstance(self.preset, str) and self.preset not in PRESETS:
            raise InputError(
                f"Method.preset must be one of {', '.join(PRESETS)}, a SafetyGuidance or None, found {self.preset!r} "
                f"in method {self.name!r}: correct the name"
            )
        if not isinstance(self.preset, str | SafetyGuidance | None):
            raise InputError(
                f"Method.preset must be a name, a SafetyPreset or other SafetyGuidance, or None, found a "
                f"{type(self.preset).__name__} in method {self.name!r}: give one of these"
            )
        if isinstance(self.preset, SafetyGuidance):
            check_guidance(self.preset)
        if not isinstance(self.concept, str) or not isinstance(self.negative_prompt, str | None):
            raise InputError(
                f"Method.concept must be a text and Method.negative_prompt a text or None, found {self.concept!r} and "
                f"{self.negative_prompt!r} in method {self.name!r}: give texts"
            )

    @property
    def safety(self) -> SafetyGuidance | None:
        """The safety guidance that `preset` stands for, or None if it does not act."""
        preset = PRESETS[self.preset] if isinstance(self.preset, str) else self.preset
        return preset if preset is not None and preset.active else None

    def describe(self) -> dict[str, Any]:
        """Return a manifest's entry about this method, as JSON values.

        Guidance from outside this package is recorded with its class and the digest of its source files (None in an
        interactive session), so that changed guidance counts as another method.
        """
        description = dataclasses.asdict(self)
        if isinstance(self.preset, SafetyGuidance) and type(self.preset) is not SafetyPreset:
            description["preset"] |= {
                "class": type(self.preset).__qualname__,
                "source_sha256": source_digest(self.preset),
            }
        return description


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("baseline"),
            Method("negative_prompt", negative_prompt=CONCEPT),
            *(Method(f"sld_{name}", preset=name) for name in PRESETS),
        )
    }
)


def resolve_methods(methods: str | Method | Iterable[str | Method]) -> tuple[Method, ...]:
    """Return the methods that names and values stand for, in their order.

    Args:
        methods: keys of `METHODS`, or methods.

    Raises:
        InputError: the list is empty, a name is unknown or occurs twice (ignoring case, since names are folders), a
            method has neither a preset nor a negative prompt, or one of another definition has the name of one of
            `METHODS`.
    """
    items = [methods] if isinstance(methods, str | Method) else list(methods)
    if not items:
        raise InputError(f"methods must name at least one method, found none: name some of {', '.join(METHODS)}")
    resolved = []
    for item in items:
        if isinstance(item, str) and item not in METHODS:
            close = difflib.get_close_matches(item.lower(), METHODS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "name one of these, or describe one of your own"
            raise InputError(f"a method must be one of {', '.join(METHODS)}, found {item!r}: {hint}")
        if not isinstance(item, str | Method):
            raise InputError(
                f"a method must be a name or an sld.Method, found the {type(item).__name__} {item!r}: give one of these"
            )
        method = METHODS[item] if isinstance(item, str) else _as_known(item)
        namesakes = [known.name for known in resolved if known.name.lower() == method.name.lower()]
        if namesakes:
            twice = "twice" if namesakes == [method.name] else f"beside {namesakes[0]!r}, in one folder on many disks"
            raise InputError(
                f"method names must differ, found {method.name!r} {twice}: remove one or give it another name"
            )
        resolved.append(method)
    return tuple(resolved)


def _as_known(method: Method) -> Method:
    """Return the method itself, or this package's own if both are the same; a name of this package is reserved."""
    known = METHODS.get(method.name.lower())
    if known is None:
        if method.preset is None and not (method.negative_prompt or "").strip():
            raise InputError(
                f"a method must change something, found that {method.name} has neither a preset nor a negative prompt: "
                "correct it, or name baseline for plain pictures"
            )
        return method
    definition, known_definition = ((m.safety, m.concept, m.negative_prompt or "") for m in (method, known))
    if method.name != known.name or definition != known_definition or (method.preset is None) != (known.preset is None):
        problem = "another definition of it" if method.name == known.name else f"{method.name!r}, which differs in case"
        raise InputError(
            f"{known.name!r} must be the method that is known by this name, found {problem}: give it another name"
        )
    return known
