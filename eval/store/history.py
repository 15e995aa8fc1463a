"""The history of a run: when it grew, by which command, what was added, and which identity it had before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from eval.base.words import counted


@dataclass(frozen=True)
class Growth:
    """What one command added to a run.

    Attributes:
        when: in ISO 8601.
        command: that added it, as typed.
        former: the digest of the identity that the run had before, by which older score parts name it.
        methods: the names of those added.
        judges: the names of those added.
        prompts: how many there were and are; None if none were added.
        images_per_prompt: how many there were and are; None if none were added.
        reordered: whether the methods have another order since.
    """

    when: str
    command: tuple[str, ...]
    former: str
    methods: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    prompts: tuple[int, int] | None = None
    images_per_prompt: tuple[int, int] | None = None
    reordered: bool = False

    def document(self) -> dict[str, Any]:
        """Return its entry in a manifest, as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Growth:
        """Return the entry in a manifest.

        Raises:
            TypeError: a part is missing, or has another type.
        """
        growth = cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in document.items()})
        texts, names = (growth.when, growth.former), (*growth.command, *growth.methods, *growth.judges)
        counts = (*(growth.prompts or ()), *(growth.images_per_prompt or ()))
        if not all(isinstance(text, str) for text in (*texts, *names)) or not all(type(n) is int for n in counts):
            raise TypeError(f"expected the record of a growth, found {document!r}")
        return growth

    @property
    def words(self) -> str:
        """What was added, as clauses."""
        return "; ".join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        for what, names in (("method", self.methods), ("judge", self.judges)):
            if names:
                yield f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}"
        if self.prompts:
            yield f"{counted(self.prompts[1], 'prompt')} instead of {self.prompts[0]:,}"
        if self.images_per_prompt:
            yield "images per prompt {1:,} instead of {0:,}".format(*self.images_per_prompt)
        if self.reordered:
            yield "the methods in another order"
