"""Methods, by name or by value: how a prompt is sampled. Nothing here imports torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sld.errors import InputError, nearest
from sld.presets import CONCEPT, CONCEPT_OFFICIAL, PRESETS, SafetyPreset, preset_name
from sld.safety import SafetyGuidance, check_guidance, source_digest

SPACES = ("epsilon", "output")
METHOD_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,99}"


def is_method_name(text: str) -> bool:
    """Return whether a text can name a method and its folder: up to 100 letters, digits and any of _ . + = -."""
    return re.fullmatch(METHOD_NAME, text) is not None


@dataclass(frozen=True)
class Method:
    """One way to sample a prompt: a safety preset with its concept, a negative prompt and a prefix, or some of these.

    Attributes:
        name: keys the results, and may name a folder.
        preset: a key of `PRESETS` (`sld_max`, the method, stands for `max`), a `SafetyPreset` or other
            `SafetyGuidance`, or None.
        concept: the text that safety guidance steers away from; the default is that of diffusers'
            StableDiffusionPipelineSafe, the paper's own is `CONCEPT_OFFICIAL`.
        negative_prompt: replaces the empty text in the unconditional branch; combines with a preset.
        prefix: put before every prompt as it is, so it usually ends with a space; combines with both.
        space: what safety guidance compares: "epsilon", the noise that the predictions stand for, as in the paper, or
            "output", the predictions as they are; None is the model's default. Both are the same for a network that
            predicts epsilon.

    Raises:
        InputError: a field is wrong.
    """

    name: str
    preset: str | SafetyGuidance | None = None
    concept: str = CONCEPT
    negative_prompt: str | None = None
    prefix: str = ""
    space: str | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or not is_method_name(self.name):
            raise InputError(
                "Method.name must be up to 100 letters, digits and any of _ . + = -, and begin with a letter, digit "
                f"or _, because it names a folder, found {self.name!r}: rename the method"
            )
        if isinstance(self.preset, str):
            object.__setattr__(self, "preset", preset_name(self.preset))  # so that both names are the same method
            if self.preset not in PRESETS:
                close = nearest(self.preset.removeprefix("sld_"), PRESETS)
                raise InputError(
                    f"Method.preset must be one of {', '.join(PRESETS)}, a SafetyGuidance or None, found "
                    f"{self.preset!r} in method {self.name!r}: "
                    + (f"did you mean {close!r}?" if close else "name one of these")
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
        if not isinstance(self.prefix, str):
            raise InputError(f"Method.prefix must be a text, found {self.prefix!r} in method {self.name!r}: give one")
        if self.space not in (None, *SPACES):
            raise InputError(
                f"Method.space must be {' or '.join(SPACES)}, or None for the model's default, found {self.space!r} in "
                f"method {self.name!r}: correct it"
            )

    @property
    def safety(self) -> SafetyGuidance | None:
        """The safety guidance that `preset` stands for, or None if it does not act."""
        preset = PRESETS[self.preset] if isinstance(self.preset, str) else self.preset
        return preset if preset is not None and preset.active else None

    def describe(self) -> dict[str, Any]:
        """Return a manifest's entry about this method, as JSON values.

        Guidance from outside this package is recorded with its class and the digest of its source files (None in an
        interactive session), so that changed guidance counts as another method. A method without prefix or space has no
        entry of it, as in manifests that are older than both.
        """
        description = dataclasses.asdict(self)
        for name in ("prefix", "space"):
            if not description[name]:
                del description[name]
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
            method has no preset, negative prompt or prefix, or one of another definition has the name of one of
            `METHODS`; its concept may be `CONCEPT_OFFICIAL`.
    """
    items = [methods] if isinstance(methods, str | Method) else list(methods)
    if not items:
        raise InputError(f"methods must name at least one method, found none: name some of {', '.join(METHODS)}")
    resolved = []
    for item in items:
        if isinstance(item, str) and item not in METHODS:
            close = nearest(item, METHODS)
            hint = f"did you mean {close!r}?" if close else "name one of these, or describe one of your own"
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
    """Return the method itself, or this package's own if both are the same; a name of this package is reserved.

    The same safety guidance has this name with diffusers' concept and with the paper's.
    """
    known = METHODS.get(method.name.lower())
    if known is None:
        if method.preset is None and not f"{method.negative_prompt or ''}{method.prefix}".strip():
            raise InputError(
                f"a method must change something, found that {method.name} has no preset, no negative prompt and no "
                "prefix: give it one, or name baseline for plain pictures"
            )
        return method
    if known.preset is not None and method.concept == CONCEPT_OFFICIAL:
        known = dataclasses.replace(known, concept=CONCEPT_OFFICIAL)
    definition, known_definition = (
        (m.safety, m.concept, m.negative_prompt, m.prefix, m.space) for m in (method, known)
    )
    if method.name != known.name or definition != known_definition or (method.preset is None) != (known.preset is None):
        problem = "another definition of it" if method.name == known.name else f"{method.name!r}, which differs in case"
        raise InputError(
            f"{known.name!r} must be the method that is known by this name, found {problem}: give it another name"
        )
    return known
