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
    observed: Tensor
    """(observed + padding,) rows of the stacked latents: the states, each once."""
    states: Tensor
    """(count + padding,) rows of what was observed."""
    texts: Tensor
    """(count + padding,) rows of the encoded texts."""
    slots: list[dict[str, Tensor]]
    """For each trajectory the (B,) evaluations of each text that is evaluated, the prompts' under None."""


class Evaluator:
    """Evaluates the denoiser for B prompts, of which only the `guided` rows have an unconditional and safety branch.

    Each distinct text is encoded once, and of each state what sees no text is computed once, or with `share=False` in
    each evaluation. Every call of the denoiser has `batch_size` rows, the last one's filled up by repeating its last
    row, so that a prediction depends on its own latents and text only. `reuse` is lossy: but for every `reuse`-th call,
    unconditional and safety predictions are a trajectory's last ones. `count` is the number of real evaluations so far.
    """

    def __init__(
        self,
        model: Model,
        prompts: Sequence[str],
        others: Sequence[str],
        guided: Sequence[bool],
        batch_size: int,
        share: bool,
        reuse: int = 1,
    ):
        self.model, self.guided, self.batch_size = model, list(guided), batch_size
        self.share, self.reuse = share, reuse
        texts = list(dict.fromkeys([*prompts, *others]))
        self.texts = model.encode(texts)
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
        # What is reused is always of the last call that `reuse` divides, also for a concept that is wanted only later:
        # a method must not depend on what the methods beside it have wanted.
        fresh = call % self.reuse == 0
        needs = tuple(
            tuple(dict.fromkeys([*each.concepts(call, self.reuse), each.negative])) if fresh else ()
            for each in trajectories
        )
        plan = self._plans.get(needs)
        if plan is None:
            plan = self._plans[needs] = self._make_plan(needs)
        predictions = self._run(plan, trajectories, timestep, denoiser_timestep)
        self.count += plan.count
        found = []
        for each, slots in zip(trajectories, plan.slots, strict=True):
            branches = {text: predictions[rows] for text, rows in slots.items() if text is not None} or each.branches
            if self.reuse > 1:
                each.branches = branches
            concepts = {concept: branches[concept] for concept in each.concepts(call)}
            found.append((branches[each.negative], predictions[slots[None]], concepts))
        return found

    def _run(self, plan: _Plan, trajectories: Sequence[Trajectory], timestep: Tensor, denoiser_timestep: Tensor):
        latents = torch.cat([each.scheduler.scale_model_input(each.latents, timestep) for each in trajectories])
        parts = [
            self.model.observe(latents.index_select(0, rows).to(self.model.dtype), denoiser_timestep)
            for rows in plan.observed.split(self.batch_size)
        ]
        observed = parts[0] if len(parts) == 1 else [torch.cat(each) for each in zip(*parts, strict=True)]
        chunks = [
            self.model.predict(
                [each.index_select(0, rows) for each in observed],
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
            # Without guidance a row takes the same way on every trajectory, so the first one's prediction serves all.
            prompt = [
                first[row] if first and self.share and not self.guided[row] else evaluate(trajectory, row, text)
                for row, text in enumerate(self.prompts)
            ]
            first = first or prompt
            found = {None: self._index(prompt)}
            for name in branches:
                number = self.numbers[name]
                indices = [evaluate(trajectory, r, number) if self.guided[r] else prompt[r] for r in rows]
                found[name] = self._index(indices)
            slots.append(found)
        distinct = sorted(set(states)) if self.share else states
        place = {state: number for number, state in enumerate(distinct)}
        observations = [place[state] for state in states] if self.share else list(range(len(states)))
        padded = (self._index(self._padded(each)) for each in (distinct, observations, texts))
        return _Plan(len(states), *padded, slots)

    def _padded(self, values: list[int]) -> list[int]:
        return values + values[-1:] * (-len(values) % self.batch_size)

    def _index(self, values: list[int]) -> Tensor:
        # Plans are made within the loop, where warm-ups end: a copy that waits would wait for all that is queued.
        return torch.tensor(values).to(self.model.device, non_blocking=True)
