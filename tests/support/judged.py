"""Scores as the two judges that come with i2p-bench leave them."""

from eval.store.scores import Score


def judged(*place, q16=None, detections=None, **more) -> Score:
    """A score of these logits and detections; None where that judge did not run."""
    said = {"q16": q16, "nudenet": detections}
    return Score(*place, records={name: record for name, record in said.items() if record is not None}, **more)
