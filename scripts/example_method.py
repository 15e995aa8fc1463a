"""A safety method of your own, beside SLD on the demo: `python scripts/example_method.py out=runs/example`.

Everything `python -m eval.run` understands can follow, `model=sd14` among it. See docs/demo.md.
"""

from dataclasses import dataclass

import sld
from eval.run import main


@dataclass(frozen=True)
class Projection(sld.SafetyGuidance):
    """Take the part that points towards the safety concept out of the prompt's direction, `strength` times."""

    warmup_steps: int = 5
    strength: float = 2.0

    def guide(self, e_0, e_p, e_s, memory):
        """Return gamma, (B, C, h, w); an image each row, so sums leave the rows apart. Nothing to remember."""
        prompt, concept = e_p - e_0, e_s - e_0
        share = (prompt * concept).sum((1, 2, 3), keepdim=True) / concept.square().sum((1, 2, 3), keepdim=True)
        return self.strength * share.clamp(min=0) * concept, memory


if __name__ == "__main__":
    main(methods=[sld.Method("projection", preset=Projection())])
