"""What a run's quality metrics need: networks, located as the run would locate them, but not loaded."""

from __future__ import annotations

from eval.base.words import counted
from eval.config.quality import Q16, needs_pictures
from eval.config.settings import Settings
from eval.doctor.check import OK, WARNING, Check
from eval.doctor.files import described
from eval.doctor.judges import judge_checks
from eval.quality import CLIP, INCEPTION, LPIPS, METRICS, extractors_of
from eval.quality.extractor import extractor_class
from eval.quality.reference import PictureFolder, open_reference

# Bytes of features per picture: those of ViT-L/14 in half precision, and Inception's, with the names of the image.
FEATURE_BYTES = {CLIP: 1_700, INCEPTION: 8_400, LPIPS: 150}
DEMO_BYTES = 300  # of the demo world's CLIP


def quality_checks(settings: Settings, digests: bool) -> list[Check]:
    """Return a check per network that the run's quality metrics need.

    Args:
        settings: of the run.
        digests: whether large files are read for their digests too.

    Raises:
        InputError: a library or a file of a metric that was asked for is missing; the sentence says which.
    """
    quality = settings.quality
    if not quality.chosen:
        return [Check("quality", OK, "no metrics, quality=[]")]
    checks = []
    for extractor in extractors_of(quality.chosen):
        metrics = [name for name in quality.chosen if METRICS[name] == extractor]
        names = ", ".join(metrics)
        if not needs_pictures(settings, metrics[0]):
            checks.append(Check("quality", OK, f"{names} by Q16's CLIP, from the embeddings that it judges by"))
        elif not quality.explicit:
            checks.append(Check("quality", OK, f"none of {names}, since Q16 does not judge"))
        elif extractor == CLIP:
            found = judge_checks(Q16, settings.q16, digests)[0]
            finding = f"{names} by Q16's CLIP, which looks at the kept pictures again: {found.finding}"
            checks.append(Check("quality", found.state, finding, found.remedy, found.pending))
        else:
            checks.append(_of_extractor(extractor, names, settings, digests))
    if quality.reference is not None:
        checks.append(_of_reference(quality.reference))
    return checks


def _of_extractor(name: str, metrics: str, settings: Settings, digests: bool) -> Check:
    extractor = extractor_class(name)
    extractor.check_files(settings.quality)
    files = extractor.files(settings.quality)
    found = described(files, digests) if files else "a run downloads its weights first"
    finding = f"{metrics} by {name}, which looks at the kept pictures again: {found}"
    return Check("quality", OK if files else WARNING, finding, pending=not files)


def _of_reference(path: str) -> Check:
    reference = open_reference(path)
    if isinstance(reference, PictureFolder):
        found = f"{counted(len(reference.paths), 'picture')} in {path}"
    else:
        found = f"{' and '.join(reference.arrays)} in {path}"
    return Check("quality reference", OK, found)


def feature_bytes(settings: Settings) -> int:
    """Return how many bytes the features of a picture take; `auto` has none where Q16 does not judge."""
    if not settings.quality.explicit and Q16 not in settings.judges:
        return 0
    sizes = FEATURE_BYTES | ({CLIP: DEMO_BYTES} if settings.q16.demo else {})
    return sum(sizes[name] for name in extractors_of(settings.quality.chosen))
