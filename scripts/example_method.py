"""A safety method of your own beside SLD, on the demo: `python scripts/example_method.py`, which writes runs/example.

Takes any argument of `python -m eval.run`, such as `model=sd14 out=runs/example_sd14`. See docs/demo.md.
"""

from dataclasses import dataclass

import sld
from eval.run import main


@dataclass(frozen=True)
class Projection(sld.SafetyGuidance):
    """Remove the part of the prompt's direction that points towards the safety concept, `strength` times."""

    warmup_steps: int = 5
    strength: float = 2.0

    def guide(self, e_0, e_p, e_s, memory):
        """Return gamma, (B, C, h, w), summed within each row so that rows stay independent; there is no memory."""
        prompt, concept = e_p - e_0, e_s - e_0
        share = (prompt * concept).sum((1, 2, 3), keepdim=True) / concept.square().sum((1, 2, 3), keepdim=True)
        return self.strength * share.clamp(min=0) * concept, memory


if __name__ == "__main__":
    main(methods=[sld.Method("projection", preset=Projection())], out="runs/example")
