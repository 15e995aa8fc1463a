"""The settings of quality metrics, the keys `quality.*`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from eval.base.errors import InputError
from eval.base.values import one_of
from eval.base.words import either
from eval.quality import AUTO_METRICS, DISTRIBUTIONS, METRICS

AUTO = "auto"
NETWORKS = ("alex", "vgg")  # of LPIPS


@dataclass(frozen=True)
class QualitySettings:
    """Which quality metrics a run has, and the files of their networks.

    They are not part of a run's identity, since they change neither its pictures nor its verdicts: a finished run may
    be asked for further metrics.

    Attributes:
        metrics: names in `eval.quality.METRICS`, or `auto` alone; empty for none.
        reference: a folder of pictures or stored statistics, with which `kid`, `kid_clip` and `fid` compare; None for
            the first method's own pictures.
        inception: the weights file of Inception; None for that in the cache.
        lpips: the network of LPIPS, one of `NETWORKS`.
        lpips_weights: the weights file of that network; None for that in the cache.
    """

    metrics: list[str] = field(default_factory=lambda: [AUTO])
    reference: str | None = None
    inception: str | None = None
    lpips: str = NETWORKS[0]
    lpips_weights: str | None = None

    @property
    def explicit(self) -> tuple[str, ...]:
        """The metrics that were asked for by name; none with `auto`."""
        return () if self.metrics == [AUTO] else tuple(self.metrics)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The metrics of the run, where everything that `auto` takes is there."""
        return AUTO_METRICS if self.metrics == [AUTO] else tuple(self.metrics)


def check_quality(settings: QualitySettings) -> None:
    """Refuse the first value that is unknown, given twice, or would have no effect.

    Raises:
        InputError: such a value; the sentence lists the choices.
    """
    if settings.metrics != [AUTO]:
        for number, name in enumerate(settings.metrics):
            if name == AUTO:
                raise InputError(
                    f"quality must be auto alone or a list of metrics, found {', '.join(settings.metrics)}: leave auto "
                    f"out, whose metrics are {' and '.join(AUTO_METRICS)}"
                )
            one_of("quality", name, (AUTO, *METRICS))
            if name in settings.metrics[:number]:
                raise InputError(f"quality must name each metric once, found {name} twice: remove one")
    one_of("quality.lpips", settings.lpips, NETWORKS)
    for key, value, metrics in _unused(settings):
        raise InputError(
            f"quality.{key} is {value!r}, which would have no effect (only {either(metrics)} reads it): leave "
            f"quality.{key}= out, or add {metrics[0]}, quality=[{','.join([*settings.explicit, metrics[0]])}]"
        )


def _unused(settings: QualitySettings) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the key, the value and the metrics that would read it, of each setting that no chosen metric reads."""
    readers = {
        "reference": DISTRIBUTIONS,
        "inception": ("kid", "fid"),
        "lpips": ("lpips",),
        "lpips_weights": ("lpips",),
    }
    for key, metrics in readers.items():
        value = getattr(settings, key)
        default = NETWORKS[0] if key == "lpips" else None
        if value != default and not set(metrics) & set(settings.metrics):
            yield key, value, metrics
