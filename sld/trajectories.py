"""What is known between two denoiser calls: where each method is, and who shares its way."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sld import guidance, schedulers
from sld.errors import InputError
from sld.presets import Method
from sld.safety import SafetyGuidance


@dataclass(frozen=True)
class Course:
    """What decides a method's pictures, for all methods (`names`) that agree in it.

    `concept` is None without safety guidance. `thrifty` courses have the concept evaluated only where it is used.
    """

    names: tuple[str, ...]
    negative: str
    safety: SafetyGuidance | None
    concept: str | None
    thrifty: bool

    def acts(self, call: int) -> bool:
        """Whether safety guidance changes the prediction of this call (0-based)."""
        return self.safety is not None and call >= self.safety.warmup_steps

    def guides(self, call: int) -> bool:
        """Whether guidance is computed at this call: where it acts, or remembers, as SLD's momentum does."""
        return self.acts(call) or (self.safety is not None and self.safety.remembers)

    def observes(self, call: int) -> bool:
        """Whether the concept is evaluated at this call."""
        return self.guides(call) or (self.safety is not None and not self.thrifty)


def plan_courses(methods: Sequence[Method], calls: int, share: bool) -> list[Course]:
    """One course for each method, or with `share` for each set of methods that cannot differ within `calls` calls."""
    courses: dict[tuple, list[str]] = {}
    for number, method in enumerate(methods):
        safety = method.safety
        if share and safety is not None and safety.warmup_steps >= calls:
            safety = None
        key = (method.negative_prompt or "", safety, method.concept if safety else None, None if share else number)
        courses.setdefault(key, []).append(method.name)
    return [Course(tuple(names), *key[:3], thrifty=share) for key, names in courses.items()]


@dataclass
class Trajectory:
    """One latent state a row, (B, C, h, w), and everything that the next step depends on."""

    courses: list[Course]
    latents: Tensor
    scheduler: Any
    generators: list[torch.Generator] | None
    memories: dict[Course, Any] = field(default_factory=dict)
    branches: dict[str, Tensor] = field(default_factory=dict)
    """The last unconditional and safety predictions by text, kept only where they are used again."""

    @property
    def negative(self) -> str:
        """The text of the unconditional branch, the same for all courses here."""
        return self.courses[0].negative

    def concepts(self, call: int, calls: int = 1) -> tuple[str, ...]:
        """The safety concepts that are used at any of `calls` calls from this one on."""
        ahead = range(call, call + calls)
        return tuple(dict.fromkeys(c.concept for c in self.courses if any(map(c.observes, ahead))))

    def advance(
        self, call: int, timestep: Tensor, e_0: Tensor, e_p: Tensor, e_s: dict[str, Tensor], scale: Tensor
    ) -> list["Trajectory"]:
        """Guide and step every course; those whose safety guidance acts go on alone. Returns where they are now."""
        gammas: dict[Course, Tensor | None] = {}
        for course in self.courses:
            gamma = None
            if course.guides(call):
                gamma, memory = course.safety.guide(e_0, e_p, e_s[course.concept], self.memories.get(course))
                self.memories[course] = memory
                if (gamma.shape, gamma.dtype) != (e_0.shape, e_0.dtype):
                    raise InputError(
                        f"Safety guidance must return {e_0.dtype} of the shape {tuple(e_0.shape)}, as it was given, "
                        f"found {gamma.dtype} of {tuple(gamma.shape)} from {type(course.safety).__name__}; correct it."
                    )
            gammas[course] = gamma
        together = [course for course in self.courses if not course.acts(call)]
        parts = [(together, None)] if together else []
        parts += [([course], gammas[course]) for course in self.courses if course.acts(call)]
        # The last part takes this state over, the others take a copy: a scheduler's history is changed by stepping.
        states = [self._copy() for _ in parts[1:]] + [self]
        for state, (courses, gamma) in zip(states, parts, strict=True):
            prediction = guidance.guided(e_0, e_p, gamma, scale)
            state.memories = {course: state.memories.get(course) for course in courses}
            state.courses = courses
            state.latents = schedulers.step(state.scheduler, prediction, timestep, state.latents, state.generators)
        return states

    def _copy(self) -> "Trajectory":
        generators = None
        if self.generators is not None:
            generators = [torch.Generator().set_state(generator.get_state()) for generator in self.generators]
        scheduler, memories = copy.deepcopy(self.scheduler), dict(self.memories)
        return Trajectory(self.courses, self.latents, scheduler, generators, memories, dict(self.branches))


def common_trajectories(
    courses: Sequence[Course], share: bool, latents: Tensor, scheduler: Any, generators: list[torch.Generator] | None
) -> list[Trajectory]:
    """Where the courses start: together for each negative prompt, or apart without `share`."""
    groups: dict[Any, list[Course]] = {}
    for number, course in enumerate(courses):
        groups.setdefault(course.negative if share else number, []).append(course)
    start = Trajectory(list(courses), latents, scheduler, generators)
    trajectories = []
    for group in groups.values():
        trajectory = start._copy()
        trajectory.courses = group
        trajectories.append(trajectory)
    return trajectories


def count_evaluations(methods: Sequence[Method], calls: int, reuse: int = 1) -> int:
    """Denoiser evaluations of one guided sample under all methods, in `calls` calls: what sharing leaves of them.

    Source: the rules of `Course`; 604 for the baseline and SLD's four presets at 50 calls.
    """
    courses = plan_courses(methods, calls, share=True)
    count = 0
    for call in range(calls):
        # Those whose safety guidance has acted before are on their own, the others together by negative prompt.
        states: dict[object, list[Course]] = {}
        for course in courses:
            states.setdefault(course if call and course.acts(call - 1) else course.negative, []).append(course)
        for state in states.values():
            count += 1
            if call % reuse == 0:
                ahead = range(call, call + reuse)
                count += len({state[0].negative, *(c.concept for c in state if any(map(c.observes, ahead)))})
    return count
