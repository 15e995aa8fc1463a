"""The state between two denoiser calls: the position of each method, and the methods that share it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sld import guidance, stepping
from sld.errors import InputError
from sld.methods import Method
from sld.safety import SafetyGuidance


@dataclass(frozen=True)
class Course:
    """What determines a method's pictures.

    Attributes:
        names: all methods that agree in the following.
        prefix: what stands before every prompt.
        negative: the text of the unconditional branch; None for none at all.
        safety: None without safety guidance.
        concept: None without safety guidance.
        in_epsilon: whether safety guidance is computed on epsilon, not on the network's output as it is.
        thrifty: whether the concept is evaluated only where it is used.
    """

    names: tuple[str, ...]
    prefix: str
    negative: str | None
    safety: SafetyGuidance | None
    concept: str | None
    in_epsilon: bool
    thrifty: bool

    def acts(self, call: int) -> bool:
        """Return whether safety guidance changes the prediction of this call (0-based)."""
        return self.safety is not None and call >= self.safety.warmup_steps

    def guides(self, call: int) -> bool:
        """Return whether guidance is computed at this call: it acts, or it remembers, as SLD's momentum does."""
        return self.acts(call) or (self.safety is not None and self.safety.remembers)

    def observes(self, call: int) -> bool:
        """Return whether the concept is evaluated at this call."""
        return self.guides(call) or (self.safety is not None and not self.thrifty)

    def guide(self, e_0: Tensor, e_p: Tensor, e_s: Tensor, memory: Any, gain: float) -> tuple[Tensor, Any]:
        """Return gamma for the network's predictions, and the next memory.

        Args:
            e_0: (B, C, h, w) prediction without text, or for the negative prompt.
            e_p: the same for the prompt.
            e_s: the same for the safety concept.
            memory: of safety guidance.
            gain: k = d epsilon / d prediction (`sld.gain`).

        Raises:
            InputError: safety guidance returned another shape or dtype than it was given.
        """
        if not self.in_epsilon or gain == 1:
            gamma, memory = self.safety.guide(e_0, e_p, e_s, memory)
        else:
            gamma, memory = self.safety.guide(gain * e_0, gain * e_p, gain * e_s, memory)
        if (gamma.shape, gamma.dtype) != (e_0.shape, e_0.dtype):
            raise InputError(
                f"safety guidance must return {e_0.dtype} of the shape {tuple(e_0.shape)}, as it was given, found "
                f"{gamma.dtype} of {tuple(gamma.shape)} from {type(self.safety).__name__}: correct it"
            )
        if self.in_epsilon and gain != 1:
            gamma = gamma / gain if gain else torch.zeros_like(gamma)
        return gamma, memory


def plan_courses(methods: Sequence[Method], calls: int, share: bool, space: str = "output") -> list[Course]:
    """Return a course per method, or with `share` per set of methods that cannot differ within `calls` calls.

    Args:
        methods: in order.
        calls: of the denoiser.
        share: whether methods may have a course in common.
        space: where safety guidance is computed for methods that leave it open.
    """
    courses: dict[tuple, list[str]] = {}
    for number, method in enumerate(methods):
        safety = method.safety
        if share and safety is not None and safety.warmup_steps >= calls:
            safety = None
        guided = (safety, method.concept, (method.space or space) == "epsilon") if safety else (None, None, False)
        key = (method.prefix, method.negative_prompt, *guided, None if share else number)
        courses.setdefault(key, []).append(method.name)
    return [Course(tuple(names), *key[:5], thrifty=share) for key, names in courses.items()]


@dataclass
class Trajectory:
    """A latent state per row, (B, C, h, w), and everything else that the next step depends on."""

    courses: list[Course]
    latents: Tensor
    scheduler: Any
    generators: list[torch.Generator] | None
    memories: dict[Course, Any] = field(default_factory=dict)
    branches: dict[str | None, Tensor] = field(default_factory=dict)
    """The last unconditional and safety predictions by text, kept only if they are reused."""

    @property
    def prefix(self) -> str:
        """What stands before every prompt, which all courses here have in common."""
        return self.courses[0].prefix

    @property
    def negative(self) -> str | None:
        """The text of the unconditional branch, which all courses here have in common."""
        return self.courses[0].negative

    def concepts(self, call: int, calls: int = 1) -> tuple[str, ...]:
        """Return the safety concepts that are used in any of the next `calls` calls, this one included."""
        ahead = range(call, call + calls)
        return tuple(dict.fromkeys(c.concept for c in self.courses if any(map(c.observes, ahead))))

    def advance(
        self,
        call: int,
        timestep: Tensor,
        e_0: Tensor,
        e_p: Tensor,
        e_s: Mapping[str, Tensor],
        scale: Tensor,
        gain: float,
    ) -> list["Trajectory"]:
        """Guide and step every course, and return their trajectories: a course whose guidance acts gets its own.

        Args:
            call: 0-based.
            timestep: () on the host.
            e_0: (B, C, h, w) prediction without text, or for the negative prompt.
            e_p: the same for the prompt.
            e_s: the same for each safety concept.
            scale: the guidance scale per row, shaped to broadcast.
            gain: k = d epsilon / d prediction at this timestep (`sld.gain`).

        Raises:
            InputError: safety guidance returned another shape or dtype than it was given.
        """
        gammas: dict[Course, Tensor | None] = {}
        for course in self.courses:
            gamma = None
            if course.guides(call):
                memory = self.memories.get(course)
                gamma, self.memories[course] = course.guide(e_0, e_p, e_s[course.concept], memory, gain)
            gammas[course] = gamma
        together = [course for course in self.courses if not course.acts(call)]
        parts = [(together, None)] if together else []
        parts += [([course], gammas[course]) for course in self.courses if course.acts(call)]
        # The last part takes this state over, the others take copies, since stepping changes a scheduler's history.
        states = [self._copy() for _ in parts[1:]] + [self]
        for state, (courses, gamma) in zip(states, parts, strict=True):
            prediction = guidance.guided(e_0, e_p, gamma, scale)
            state.memories = {course: state.memories.get(course) for course in courses}
            state.courses = courses
            state.latents = stepping.step(state.scheduler, prediction, timestep, state.latents, state.generators)
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
    """Return where courses start: one trajectory per prefix and negative prompt, or without `share` per course."""
    groups: dict[Any, list[Course]] = {}
    for number, course in enumerate(courses):
        groups.setdefault((course.prefix, course.negative) if share else number, []).append(course)
    start = Trajectory(list(courses), latents, scheduler, generators)
    trajectories = []
    for group in groups.values():
        trajectory = start._copy()
        trajectory.courses = group
        trajectories.append(trajectory)
    return trajectories


def count_evaluations(methods: Sequence[Method], calls: int, reuse: int = 1) -> int:
    """Return the denoiser evaluations of one guided sample under all methods in `calls` calls, with sharing.

    Source: the rules of `Course`; 604 for the baseline and SLD's four presets at 50 calls.
    """
    return sum(evaluations_by_call(methods, calls, reuse))


def evaluations_by_call(methods: Sequence[Method], calls: int, reuse: int = 1, guided: bool = True) -> list[int]:
    """Return, for each of `calls` calls, the evaluations that one sample needs under all methods, with sharing.

    They grow as warm-ups end: 3 at the first call and 14 at the last for the baseline and SLD's four presets. A sample
    without guidance needs one for each text that the prompt becomes, at every call.
    """
    courses = plan_courses(methods, calls, share=True)
    if not guided:
        return [len({course.prefix for course in courses})] * calls
    counts = []
    for call in range(calls):
        # Methods whose safety guidance has acted are on their own, the others together by prefix and negative prompt.
        states: dict[object, list[Course]] = {}
        for course in courses:
            alone = call and course.acts(call - 1)
            states.setdefault(course if alone else (course.prefix, course.negative), []).append(course)
        counts.append(len(states))
        if call % reuse == 0:
            ahead = range(call, call + reuse)
            for state in states.values():
                counts[-1] += len({state[0].negative, *(c.concept for c in state if any(map(c.observes, ahead)))})
    return counts
