"""Denoiser evaluations: gather what the trajectories need, run it in chunks of one shape, scatter the predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sld import stepping
from sld.models import Model
from sld.trajectories import Course, Trajectory


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
    prompts: list[Tensor]
    """For each trajectory, the (B,) evaluations of the prompts."""
    branches: list[dict[str | None, Tensor]]
    """For each trajectory, the (B,) evaluations of each text of another branch."""


class Evaluator:
    """Evaluates the denoiser for B prompts.

    Each distinct text is encoded once. The part of the denoiser that sees no text runs once per state, or once per
    evaluation with `share=False`. Every call of the denoiser has `batch_size` rows, the last one padded with copies of
    its last row, so that a prediction depends only on its own latents and text.

    Attributes:
        count: the number of evaluations so far, without padding.

    Args:
        model: the denoiser.
        prompts: B texts, before which a trajectory may put a prefix.
        courses: all that will be evaluated.
        size: (height, width) of the pictures, in pixels.
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
        courses: Sequence[Course],
        size: tuple[int, int],
        guided: Sequence[bool],
        batch_size: int,
        share: bool,
        reuse: int = 1,
    ):
        self.model, self.guided, self.batch_size = model, list(guided), batch_size
        self.share, self.reuse = share, reuse
        prefixes = dict.fromkeys(course.prefix for course in courses)
        prefixed = {prefix: [prefix + prompt for prompt in prompts] for prefix in prefixes}
        branches = [course.negative for course in courses]
        branches += [course.concept for course in courses if course.safety is not None]
        texts = list(dict.fromkeys([*(text for row in prefixed.values() for text in row), *branches]))
        self.texts = model.encode(texts, *size)
        self.numbers = {text: number for number, text in enumerate(texts)}
        self.prompts = {prefix: [self.numbers[text] for text in row] for prefix, row in prefixed.items()}
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
            (path.prefix, tuple(dict.fromkeys([*path.concepts(call, self.reuse), path.negative])) if fresh else ())
            for path in trajectories
        )
        plan = self._plans.get(needs)
        if plan is None:
            plan = self._plans[needs] = self._make_plan(needs)
        predictions = self._run(plan, trajectories, timestep, denoiser_timestep)
        self.count += plan.count
        results = []
        for trajectory, prompts, evaluated in zip(trajectories, plan.prompts, plan.branches, strict=True):
            branches = {text: predictions[rows] for text, rows in evaluated.items()} or trajectory.branches
            if self.reuse > 1:
                trajectory.branches = branches
            concepts = {concept: branches[concept] for concept in trajectory.concepts(call)}
            results.append((branches[trajectory.negative], predictions[prompts], concepts))
        return results

    def _run(self, plan: _Plan, trajectories: Sequence[Trajectory], timestep: Tensor, denoiser_timestep: Tensor):
        latents = torch.cat([stepping.scaled(path.scheduler, path.latents, timestep) for path in trajectories])
        parts = [
            self.model.observe(latents.index_select(0, rows).to(self.model.dtype), denoiser_timestep)
            for rows in plan.observed.split(self.batch_size)
        ]
        observed = parts[0] if len(parts) == 1 else [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        chunks = [
            self.model.predict(
                [_select(tensor, rows) for tensor in observed],
                denoiser_timestep,
                [tensor.index_select(0, texts) for tensor in self.texts],
            )
            for rows, texts in zip(plan.states.split(self.batch_size), plan.texts.split(self.batch_size), strict=True)
        ]
        return torch.cat(chunks).to(trajectories[0].latents.dtype)

    def _make_plan(self, needs: tuple[tuple[str, tuple[str | None, ...]], ...]) -> _Plan:
        rows = range(len(self.guided))
        states: list[int] = []
        texts: list[int] = []

        def evaluate(trajectory: int, row: int, text: int) -> int:
            states.append(trajectory * len(rows) + row)
            texts.append(text)
            return len(states) - 1

        prompts, branches = [], []
        firsts: dict[str, list[int]] = {}
        for trajectory, (prefix, names) in enumerate(needs):
            # An unguided row follows the same path on every trajectory, so one prediction serves all.
            first = firsts.get(prefix) if self.share else None
            prompt = [
                first[row] if first and not self.guided[row] else evaluate(trajectory, row, text)
                for row, text in enumerate(self.prompts[prefix])
            ]
            firsts.setdefault(prefix, prompt)
            prompts.append(self._index(prompt))
            branch = {}
            for name in names:
                text = self.numbers[name]
                indices = [evaluate(trajectory, r, text) if self.guided[r] else prompt[r] for r in rows]
                branch[name] = self._index(indices)
            branches.append(branch)
        distinct = sorted(set(states)) if self.share else states
        place = {state: number for number, state in enumerate(distinct)}
        observations = [place[state] for state in states] if self.share else list(range(len(states)))
        padded = (self._index(self._padded(numbers)) for numbers in (distinct, observations, texts))
        return _Plan(len(states), *padded, prompts, branches)

    def _padded(self, values: list[int]) -> list[int]:
        return values + values[-1:] * (-len(values) % self.batch_size)

    def _index(self, values: list[int]) -> Tensor:
        # Plans are made inside the loop, when warm-ups end: a blocking copy would wait for all queued work.
        return torch.tensor(values).to(self.model.device, non_blocking=True)


def _select(tensor: Tensor, rows: Tensor) -> Tensor:
    """Return some rows of a tensor; on a GPU in its own layout, where torch's `index_select` drops channels-last."""
    return select_in_layout(tensor, rows) if tensor.is_cuda else tensor.index_select(0, rows)


def select_in_layout(tensor: Tensor, rows: Tensor) -> Tensor:
    """Return some rows of a tensor, (N, C, h, w) in channels-last if that is its layout."""
    if tensor.is_contiguous() or tensor.ndim != 4 or not tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.index_select(0, rows)
    return tensor.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
