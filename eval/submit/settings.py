"""The `slurm` of conf/submit.yaml: what SLURM is asked for, checked before it is asked."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import fields, replace

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from eval.base.command import typed
from eval.base.errors import InputError
from eval.config.slurm import ReportJob, SlurmSettings
from eval.config.texts import with_texts
from eval.submit.slurm import default_time

LONGEST_WARNING = 65535  # seconds that sbatch takes in --signal
REPORT_TIME, REPORT_MEMORY = 3600, 8192  # seconds and MiB that a report asks for at most, by itself
_DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+)(?::(\d+))?)?")
_HOURS = re.compile(r"(\d+)(?::(\d+)(?::(\d+))?)?")
# Options with which sbatch submits something else than what is planned, or nothing, or waits for a job's end.
_NOT_FOR_SBATCH = {
    **dict.fromkeys(("--array", "-a"), "shard.count and slurm.at_once set it"),
    **dict.fromkeys(("--wait", "-W"), "the report's job waits for the shards"),
    **dict.fromkeys(("--test-only", "--help", "-h", "--usage", "--version", "-V"), "dry_run=true submits nothing"),
    "--wrap": "slurm.setup takes commands",
}
# Of the report's: its own would come after it, and win.
_NOT_FOR_THE_REPORT = dict.fromkeys(("--dependency", "-d"), "its job waits for the shards, and for nothing else")
_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


def read_slurm(config: DictConfig) -> SlurmSettings:
    """Return the composed `slurm` as settings, the report's job filled in.

    Raises:
        InputError: a key that does not exist, or a value that SLURM would not take or take for another.
    """
    if not isinstance(config, DictConfig):
        raise InputError(f"slurm must be a mapping of its keys, found {config!r}: see `{typed('submit')} --help`")
    config = with_texts(config, SlurmSettings, "slurm.")
    schema = OmegaConf.structured(SlurmSettings)
    for node in (schema, schema.report):  # OmegaConf makes a frozen dataclass's stand-in read-only, at each level
        OmegaConf.set_readonly(node, False)
    try:
        slurm = OmegaConf.to_object(OmegaConf.merge(schema, config))
    except OmegaConfBaseException as error:
        said = " ".join(str(error.msg or error).splitlines()[0].split()).rstrip(".")
        key = f"slurm.{error.full_key}" if error.full_key else "slurm"
        raise InputError(f"{key}: {said}; see `{typed('submit')} --help`") from error
    _check(slurm)
    return replace(slurm, report=_filled(slurm.report, slurm)) if slurm.report else slurm


def check_default_time(slurm: SlurmSettings) -> None:
    """Raise InputError where nothing says how long a shard may take, and its partition's own limit is too short."""
    if _limit(slurm)[1] is not None:
        return
    partition = _given(slurm.options, "--partition", "-p") or slurm.partition or os.environ.get("SBATCH_PARTITION")
    found = default_time(partition)
    if found and seconds(found[1], "slurm.time") <= slurm.warning:
        raise InputError(
            f"slurm.time is not given, and partition {found[0]} ends a job after {found[1]}, which is no longer than "
            f"slurm.warning, {slurm.warning} seconds before its end: give a longer slurm.time, or a shorter warning"
        )


def seconds(time: str, key: str) -> float:
    """Return a time limit of SLURM's in seconds, infinite for UNLIMITED and for 0.

    Raises:
        InputError: none of minutes, M:S, H:M:S, D-H, D-H:M and D-H:M:S.
    """
    if time.upper() in ("UNLIMITED", "INFINITE", "-1"):
        return float("inf")
    if found := _DAYS.fullmatch(time):
        days, *rest = (int(part or 0) for part in found.groups())
    elif found := _HOURS.fullmatch(time):
        days = 0
        parts = [int(part) for part in found.groups() if part is not None]
        rest = {1: [0, *parts, 0], 2: [0, *parts], 3: parts}[len(parts)]
    else:
        raise InputError(
            f"{key} must be a time limit as sbatch takes it, minutes, H:M:S or D-H:M:S, found {time!r}: {key}=04:00:00"
        )
    hours, minutes, left = rest
    return float(((days * 24 + hours) * 60 + minutes) * 60 + left) or float("inf")


def option_words(options: list[str], key: str) -> list[str]:
    """Return options for sbatch as words, quotes read as a shell does.

    Raises:
        InputError: an option of several lines, quotes that do not match, no option, or one that is not for this.
    """
    words = []
    for option in options:
        try:
            read = shlex.split(option)
        except ValueError as error:
            raise InputError(f"{key} must be options of sbatch, found {option!r} ({error}): correct it") from error
        if "\n" in option or not option.strip().startswith("-"):
            raise InputError(
                f"{key} must each be options for sbatch in one line, as in '--exclude=node7', found {option!r}: use "
                "slurm.setup for commands"
            )
        words += read
    refused = _NOT_FOR_SBATCH | (_NOT_FOR_THE_REPORT if key == "slurm.report.options" else {})
    for word in words:
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        if why := next((why for option, why in refused.items() if _is_short_for(name, option)), None):
            raise InputError(f"{key} can't hold {name}, found {word!r}: leave it out, {why}")
    return words


def _is_short_for(name: str, option: str) -> bool:
    """Whether sbatch may take a name for an option: it knows a long one by its beginning, too."""
    return name == option or (len(name) > len("--x") and option.startswith(name))


def _check(slurm: SlurmSettings) -> None:
    for key, job in (("slurm", slurm), ("slurm.report", slurm.report)):
        if job is None:
            continue
        if job.cpus is not None and job.cpus < 1:
            raise InputError(f"{key}.cpus must be a whole number from 1 up, found {job.cpus}: leave it out")
        if isinstance(job.gpus, bool) or not isinstance(job.gpus, int | str | None) or str(job.gpus).startswith("-"):
            raise InputError(
                f"{key}.gpus must be a number or a type and a number, found {job.gpus!r}: {key}.gpus=1, or a100:1"
            )
        for name in (each.name for each in fields(job)):
            if getattr(job, name) == "":
                raise InputError(f"{key}.{name} must not be empty: leave it out")
        option_words(job.options, f"{key}.options")
        if job.time is not None:
            seconds(job.time, f"{key}.time")
    if slurm.at_once is not None and slurm.at_once < 1:
        raise InputError(f"slurm.at_once must be a whole number from 1 up, found {slurm.at_once}: leave it out for all")
    if not 1 <= slurm.warning <= LONGEST_WARNING:
        raise InputError(
            f"slurm.warning must be 1 to {LONGEST_WARNING} seconds, which is what sbatch takes, found {slurm.warning}"
        )
    key, limit = _limit(slurm)
    if limit is not None and seconds(limit, key) <= slurm.warning:
        raise InputError(
            f"{key} must be longer than slurm.warning, {slurm.warning} seconds before its end, found {limit}: a shard "
            "would be told to stop as it begins; give it more time, or take a shorter slurm.warning"
        )


def _limit(slurm: SlurmSettings) -> tuple[str, str | None]:
    """Where a shard's time limit is said, and the limit: what sbatch would heed first."""
    if given := _given(slurm.options, "--time", "-t"):
        return "--time in slurm.options", given
    if slurm.time is not None:
        return "slurm.time", slurm.time
    return "SBATCH_TIMELIMIT", os.environ.get("SBATCH_TIMELIMIT")


def _given(options: list[str], name: str, short: str) -> str | None:
    """The value of an option of sbatch, the last of several, None where it is not among them."""
    words = option_words(options, "slurm.options")
    for place in reversed(range(len(words))):
        word = words[place]
        if found := re.fullmatch(rf"(?:{name}=|{short})(.+)", word):
            return found[1]
        if word in (name, short):
            return words[place + 1] if place + 1 < len(words) else None
    return None


def _filled(report: ReportJob, slurm: SlurmSettings) -> ReportJob:
    """Where the shards say what the cluster wants to hear, the report says it too, with modest numbers."""
    time, mem = report.time, report.mem
    if time is None and slurm.time is not None:
        time = slurm.time if seconds(slurm.time, "slurm.time") < REPORT_TIME else "01:00:00"
    if mem is None and slurm.mem is not None:
        mem = slurm.mem if 0 < _mebibytes(slurm.mem) < REPORT_MEMORY else "8G"
    same = {name: getattr(report, name) or getattr(slurm, name) for name in ("partition", "account", "qos")}
    return replace(report, time=time, mem=mem, **same)


def _mebibytes(mem: str) -> float:
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", mem, re.IGNORECASE)
    return int(found[1]) * _UNITS[found[2].upper() or "M"] if found else 0.0  # what it can't read, sbatch refuses
