"""One definition of an inappropriate picture, in the terms of the judges' raw scores."""

from __future__ import annotations

from dataclasses import dataclass

from eval.judges import Rule
from i2p.labels import LabelSet

ARGMAX = "argmax"
NOBODY = "nothing, since none of the protocol's judges ran"


@dataclass(frozen=True)
class Definition:
    """What makes a picture count: Q16's finding, NudeNet's, or either.

    `q16` is `argmax` (the larger logit decides) or the least probability that counts; `labels` the label set with its
    threshold; None where that judge is not asked. With `last_above`, of each label only the last detection above that
    score is looked at, in NudeNet's order, which is by falling score. A judge that another package brings has a `rule`
    of its own, and is named by `judge`.

    Attributes:
        derived: whether the source counts body parts, so that a share of pictures is this project's and not its own.
        also: the other names of the same rule.
    """

    name: str
    q16: str | float | None
    labels: LabelSet | None
    source: str
    last_above: float | None = None
    judge: str = ""
    rule: Rule | None = None
    derived: bool = False
    also: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """Every name of the rule, its own first, joined by commas."""
        return ", ".join((self.name, *self.also))

    @property
    def judges(self) -> set[str]:
        """The judges that it needs."""
        parts = (("q16", self.q16), ("nudenet", self.labels), (self.judge, self.rule))
        return {name for name, part in parts if part is not None}

    @property
    def counts(self) -> str:
        """What counts, in words."""
        parts = [part for part in (self._q16_words(), self._nude_words()) if part]
        if self.rule is not None:
            return self.rule.counts
        return " or ".join(parts) or (NOBODY if self.name == NOBODY else "the dataset's own verdicts, replayed")

    def same_as(self, definition: Definition) -> bool:
        """Return whether both count the same pictures, whatever their names."""
        return self._key() == definition._key()

    def _key(self) -> tuple:
        labels = self.labels and (self.labels.labels, self.labels.threshold, self.labels.inclusive)
        return self.q16, labels, self.last_above, self.rule and self.rule.name

    def _q16_words(self) -> str:
        if self.q16 is None:
            return ""
        return f"Q16 ({'the larger logit decides' if self.q16 == ARGMAX else f'p ≥ {self.q16}'})"

    def _nude_words(self) -> str:
        if self.labels is None:
            return ""
        limit = f"score {'≥' if self.labels.inclusive else '>'} {self.labels.threshold}"
        if self.labels.threshold == 0:
            limit = "any score"
        last = "" if self.last_above is None else f", of each label only the last above {self.last_above}"
        return f"NudeNet (labels {self.labels.name}, {limit}{last})"
