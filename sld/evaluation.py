"""Denoiser evaluations: gather what the trajectories need, run it in chunks of one shape, scatter the predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sld.models import Model
from sld.trajectories import Trajectory


@dataclass(frozen=True)
class _Plan:
    """Index tensors on the model's device; evaluations are numbered in the order in which they run."""

    count: int
    observed: Tensor
    """(observed + padding,) rows of the stacked latents: every distinct state."""
    states: Tensor
    """(count + padding,) rows of the observed states."""
    texts: Tensor
    """(count + padding,) rows of the encoded texts."""
    slots: list[dict[str, Tensor]]
    """For each trajectory, the (B,) evaluations of each evaluated text; those of the prompts under None."""


class Evaluator:
    """Evaluates the denoiser for B prompts.

    Each distinct text is encoded once. The part of the denoiser that sees no text runs once per state, or once per
    evaluation with `share=False`. Every call of the denoiser has `batch_size` rows, the last one padded with copies of
    its last row, so that a prediction depends only on its own latents and text.

    Attributes:
        count: the number of evaluations so far, without padding.

    Args:
        model: the denoiser.
        prompts: B texts.
        other_texts: negative prompts and safety concepts.
        guided: (B,) whether a row has an unconditional and a safety branch.
        batch_size: rows of every denoiser call.
        share: whether to share computation between trajectories.
        reuse: above 1, lossy: except at every `reuse`-th call, unconditional and safety predictions are the last ones
            of their trajectory.
    """

    def __init__(
        self,
        model: Model,
        prompts: Sequence[str],
        other_texts: Sequence[str],
        guided: Sequence[bool],
        batch_size: int,
        share: bool,
        reuse: int = 1,
    ):
        self.model, self.guided, self.batch_size = model, list(guided), batch_size
        self.share, self.reuse = share, reuse
        texts = list(dict.fromkeys([*prompts, *other_texts]))
        self.texts = model.encode(texts)
        self.numbers = {text: number for number, text in enumerate(texts)}
        self.prompts = [self.numbers[prompt] for prompt in prompts]
        self.count = 0
        # What is needed changes only where a warm-up ends, so a run has few plans.
        self._plans: dict[tuple, _Plan] = {}

    def __call__(
        self, trajectories: Sequence[Trajectory], call: int, timestep: Tensor, denoiser_timestep: Tensor
    ) -> list[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        """Return e_0, e_p and, by concept, e_s for each trajectory: (B, C, h, w) each, in the dtype of its latents.

        Rows without guidance have e_p in place of all three.
        """
        # Reused predictions always come from the last call that `reuse` divides, even for a concept that is needed only
        # later: a method must not depend on the needs of other methods.
        fresh = call % self.reuse == 0
        needs = tuple(
            tuple(dict.fromkeys([*trajectory.concepts(call, self.reuse), trajectory.negative])) if fresh else ()
            for trajectory in trajectories
        )
        plan = self._plans.get(needs)
        if plan is None:
            plan = self._plans[needs] = self._make_plan(needs)
        predictions = self._run(plan, trajectories, timestep, denoiser_timestep)
        self.count += plan.count
        results = []
        for trajectory, slots in zip(trajectories, plan.slots, strict=True):
            branches = {
                text: predictions[rows] for text, rows in slots.items() if text is not None
            } or trajectory.branches
            if self.reuse > 1:
                trajectory.branches = branches
            concepts = {concept: branches[concept] for concept in trajectory.concepts(call)}
            results.append((branches[trajectory.negative], predictions[slots[None]], concepts))
        return results

    def _run(self, plan: _Plan, trajectories: Sequence[Trajectory], timestep: Tensor, denoiser_timestep: Tensor):
        latents = torch.cat([path.scheduler.scale_model_input(path.latents, timestep) for path in trajectories])
        parts = [
            self.model.observe(latents.index_select(0, rows).to(self.model.dtype), denoiser_timestep)
            for rows in plan.observed.split(self.batch_size)
        ]
        observed = parts[0] if len(parts) == 1 else [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        chunks = [
            self.model.predict(
                [tensor.index_select(0, rows) for tensor in observed],
                denoiser_timestep,
                self.texts.index_select(0, texts),
            )
            for rows, texts in zip(plan.states.split(self.batch_size), plan.texts.split(self.batch_size), strict=True)
        ]
        return torch.cat(chunks).to(trajectories[0].latents.dtype)

    def _make_plan(self, needs: tuple[tuple[str, ...], ...]) -> _Plan:
        rows = range(len(self.prompts))
        states: list[int] = []
        texts: list[int] = []

        def evaluate(trajectory: int, row: int, text: int) -> int:
            states.append(trajectory * len(rows) + row)
            texts.append(text)
            return len(states) - 1

        slots, first = [], None
        for trajectory, branches in enumerate(needs):
            # An unguided row follows the same path on every trajectory, so one prediction serves all.
            prompt = [
                first[row] if first and self.share and not self.guided[row] else evaluate(trajectory, row, text)
                for row, text in enumerate(self.prompts)
            ]
            first = first or prompt
            slot = {None: self._index(prompt)}
            for name in branches:
                number = self.numbers[name]
                indices = [evaluate(trajectory, r, number) if self.guided[r] else prompt[r] for r in rows]
                slot[name] = self._index(indices)
            slots.append(slot)
        distinct = sorted(set(states)) if self.share else states
        place = {state: number for number, state in enumerate(distinct)}
        observations = [place[state] for state in states] if self.share else list(range(len(states)))
        padded = (self._index(self._padded(numbers)) for numbers in (distinct, observations, texts))
        return _Plan(len(states), *padded, slots)

    def _padded(self, values: list[int]) -> list[int]:
        return values + values[-1:] * (-len(values) % self.batch_size)

    def _index(self, values: list[int]) -> Tensor:
        # Plans are made inside the loop, when warm-ups end: a blocking copy would wait for all queued work.
        return torch.tensor(values).to(self.model.device, non_blocking=True)
