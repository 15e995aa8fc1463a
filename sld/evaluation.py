"""Denoiser evaluations: gather what the trajectories need, run it in chunks of one shape, scatter the predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sld.models import Model
from sld.trajectories import Trajectory


@dataclass(frozen=True)
class _Plan:
    """Index tensors on the model's device; evaluations are numbered in the order they are run."""

    count: int
    states: Tensor
    """(count + padding,) rows of the stacked latents."""
    texts: Tensor
    """(count + padding,) rows of the text embeddings."""
    slots: list[tuple[Tensor, Tensor, dict[str, Tensor]]]
    """For each trajectory the (B,) evaluations of e_0, e_p, and e_s of each concept."""


class Evaluator:
    """Evaluates the denoiser for B prompts, of which only the `guided` rows have an unconditional and safety branch.

    Each distinct text is encoded once. Every call of the denoiser has `batch_size` rows, the last one's filled up by
    repeating its last row, so that a prediction depends on its own latents and text only. `count` is the number of real
    evaluations so far.
    """

    def __init__(
        self,
        model: Model,
        prompts: Sequence[str],
        others: Sequence[str],
        guided: Sequence[bool],
        batch_size: int,
        share: bool,
    ):
        self.model, self.guided, self.batch_size, self.share = model, list(guided), batch_size, share
        texts = list(dict.fromkeys([*prompts, *others]))
        self.embeddings = model.encode(texts)
        self.numbers = {text: number for number, text in enumerate(texts)}
        self.prompts = [self.numbers[prompt] for prompt in prompts]
        self.count = 0
        # What is needed changes only where a warm-up ends, so a run has a handful of plans.
        self._plans: dict[tuple, _Plan] = {}

    def __call__(
        self, trajectories: Sequence[Trajectory], call: int, timestep: Tensor, denoiser_timestep: Tensor
    ) -> list[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        """For each trajectory e_0, e_p and e_s of each concept, (B, C, h, w) each in the dtype of its latents.

        Rows without guidance have e_p in the place of all three.
        """
        needs = tuple((trajectory.negative, trajectory.concepts(call)) for trajectory in trajectories)
        plan = self._plans.get(needs)
        if plan is None:
            plan = self._plans[needs] = self._make_plan(needs)
        states = torch.cat([each.scheduler.scale_model_input(each.latents, timestep) for each in trajectories])
        timesteps = denoiser_timestep.expand(self.batch_size)
        chunks = [
            self.model.predict(
                states.index_select(0, rows).to(self.model.dtype), timesteps, self.embeddings.index_select(0, texts)
            )
            for rows, texts in zip(plan.states.split(self.batch_size), plan.texts.split(self.batch_size), strict=True)
        ]
        predictions = torch.cat(chunks).to(trajectories[0].latents.dtype)
        self.count += plan.count
        return [
            (predictions[e_0], predictions[e_p], {concept: predictions[e_s] for concept, e_s in concepts.items()})
            for e_0, e_p, concepts in plan.slots
        ]

    def _make_plan(self, needs: tuple[tuple[str, tuple[str, ...]], ...]) -> _Plan:
        rows = len(self.prompts)
        states: list[int] = []
        texts: list[int] = []

        def evaluate(trajectory: int, row: int, text: int) -> int:
            states.append(trajectory * rows + row)
            texts.append(text)
            return len(states) - 1

        slots, first = [], None
        for trajectory, (negative, concepts) in enumerate(needs):
            # Without guidance a row takes the same way on every trajectory, so the first one's prediction serves all.
            prompt = [
                first[row] if first and self.share and not self.guided[row] else evaluate(trajectory, row, text)
                for row, text in enumerate(self.prompts)
            ]
            first = first or prompt
            branch = {
                name: [
                    evaluate(trajectory, row, self.numbers[name]) if self.guided[row] else prompt[row]
                    for row in range(rows)
                ]
                for name in concepts
            }
            uncond = [
                evaluate(trajectory, row, self.numbers[negative]) if self.guided[row] else prompt[row]
                for row in range(rows)
            ]
            slots.append((self._index(uncond), self._index(prompt), {c: self._index(i) for c, i in branch.items()}))
        padding = -len(states) % self.batch_size
        return _Plan(
            len(states), self._index(states + states[-1:] * padding), self._index(texts + texts[-1:] * padding), slots
        )

    def _index(self, values: list[int]) -> Tensor:
        return torch.tensor(values, device=self.model.device)
