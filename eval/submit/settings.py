"""The settings of `slurm` in conf/submit.yaml, checked before SLURM sees them."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import fields, replace

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from eval.base.command import typed
from eval.base.errors import InputError
from eval.base.words import counted
from eval.config.mistyped import check_numbers, mistyped, shown
from eval.config.slurm import ReportJob, SlurmSettings
from eval.config.texts import with_texts
from eval.submit.slurm import default_time

MAX_WARNING = 65535  # seconds, the largest that sbatch accepts in --signal
REPORT_TIME, REPORT_MEMORY = 3600, 8192  # seconds and MiB, the most that a report requests by default
_DAYS = re.compile(r"(\d{1,9})-(\d{1,9})(?::(\d{1,9})(?::(\d{1,9}))?)?", re.ASCII)
_HOURS = re.compile(r"(\d{1,9})(?::(\d{1,9})(?::(\d{1,9}))?)?", re.ASCII)
# Options with which sbatch submits other jobs than the planned, or none, or waits for the end of a job.
_NOT_FOR_SBATCH = {
    **dict.fromkeys(("--array", "-a"), "shard.count and slurm.at_once set it"),
    **dict.fromkeys(("--wait", "-W"), "the report's job waits for the shards"),
    **dict.fromkeys(("--test-only", "--help", "-h", "--usage", "--version", "-V"), "dry_run=true submits nothing"),
    "--wrap": "slurm.setup takes commands",
}
# For the report: the option would come after the planned one, and win.
_NOT_FOR_THE_REPORT = dict.fromkeys(("--dependency", "-d"), "its job waits for the shards, and for nothing else")
_MEMORY = re.compile(r"(\d{1,18})([KMGT]?)B?", re.IGNORECASE | re.ASCII)
LEAST_MEMORY = 512  # MB; importing torch takes as much
_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


def read_slurm(config: DictConfig) -> SlurmSettings:
    """Return the composed `slurm` as settings, with the defaults of the report's job.

    Raises:
        InputError: an unknown key, or a value that SLURM would refuse or misread.
    """
    if not isinstance(config, DictConfig):
        raise InputError(f"slurm must be a mapping of its keys, found {shown(config)}: see `{typed('submit')} --help`")
    config = with_texts(config, SlurmSettings, "slurm.")
    check_numbers(config, SlurmSettings, "slurm.")
    schema = OmegaConf.structured(SlurmSettings)
    for node in (schema, schema.report):  # OmegaConf makes a frozen dataclass's stand-in read-only, at each level
        OmegaConf.set_readonly(node, False)
    try:
        merged = OmegaConf.merge(schema, config)
        merged._set_parent(config._get_parent())  # where interpolations find the keys of the run, such as ${out}
        slurm = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise InputError(mistyped(error, config, SlurmSettings, "slurm.", "submit")) from error
    _check(slurm)
    return replace(slurm, report=_with_defaults(slurm.report, slurm)) if slurm.report else slurm


def check_default_time(slurm: SlurmSettings) -> None:
    """Refuse shards without a time limit whose partition has a default that is too short."""
    if _limit(slurm)[1] is not None:
        return
    partition = (
        _option_value(slurm.options, "--partition", "-p") or slurm.partition or os.environ.get("SBATCH_PARTITION")
    )
    default = default_time(partition)
    if default and seconds(default[1], "slurm.time") <= slurm.warning:
        raise InputError(
            f"slurm.time must be longer than slurm.warning, {counted(slurm.warning, 'second')} before a job's end, "
            f"found the default {default[1]} of partition {default[0]}: give a longer slurm.time, or a shorter "
            "slurm.warning"
        )


def seconds(time: str, key: str) -> float:
    """Return a time limit of SLURM in seconds, infinite for UNLIMITED and for 0.

    Args:
        time: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S.
        key: of the limit, for messages.

    Raises:
        InputError: another format.
    """
    if time.upper() in ("UNLIMITED", "INFINITE", "-1"):
        return float("inf")
    if match := _DAYS.fullmatch(time):
        days, *parts = (int(part or 0) for part in match.groups())
    elif match := _HOURS.fullmatch(time):
        days = 0
        numbers = [int(part) for part in match.groups() if part is not None]
        parts = {1: [0, *numbers, 0], 2: [0, *numbers], 3: numbers}[len(numbers)]
    else:
        raise InputError(
            f"{key} must be a time limit of sbatch, minutes, H:M:S or D-H:M:S, found {time!r}: give {key}=04:00:00"
        )
    hours, minutes, secs = parts
    return float(((days * 24 + hours) * 60 + minutes) * 60 + secs) or float("inf")


def option_words(options: list[str], key: str) -> list[str]:
    """Return options of sbatch as words, split as in a shell.

    Args:
        options: one or more options per element, in one line.
        key: of the options, for messages.

    Raises:
        InputError: an element with several lines, unbalanced quotes or no option, or an option that the plan sets.
    """
    words = []
    for option in options:
        try:
            words_of_option = shlex.split(option)
        except ValueError as error:
            raise InputError(f"{key} must be options of sbatch, found {option!r} ({error}): correct it") from error
        if "\n" in option or not option.strip().startswith("-"):
            raise InputError(
                f"{key} must be options of sbatch, each in one line such as '--exclude=node7', found {option!r}: use "
                "slurm.setup for commands"
            )
        words += words_of_option
    refused = _NOT_FOR_SBATCH | (_NOT_FOR_THE_REPORT if key == "slurm.report.options" else {})
    for word in words:
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        if why := next((why for option, why in refused.items() if _is_short_for(name, option)), None):
            raise InputError(f"{key} must not hold {name}, found {word!r}: leave it out, {why}")
    return words


def _is_short_for(name: str, option: str) -> bool:
    """Return whether sbatch may read a name as an option; it accepts unique prefixes of long options."""
    return name == option or (len(name) > len("--x") and option.startswith(name))


def _check(slurm: SlurmSettings) -> None:
    for key, job in (("slurm", slurm), ("slurm.report", slurm.report)):
        if job is None:
            continue
        if job.cpus is not None and job.cpus < 1:
            raise InputError(f"{key}.cpus must be a whole number from 1 up, found {job.cpus}: leave it out")
        if isinstance(job.gpus, bool) or not isinstance(job.gpus, int | str | None) or str(job.gpus).startswith("-"):
            raise InputError(
                f"{key}.gpus must be a number, or a type and a number, found {job.gpus!r}: give {key}.gpus=1 or "
                f"{key}.gpus=a100:1"
            )
        for name in (field.name for field in fields(job)):
            if getattr(job, name) == "":
                raise InputError(f"{key}.{name} must be a value, found an empty text: leave it out")
        option_words(job.options, f"{key}.options")
        if job.time is not None:
            seconds(job.time, f"{key}.time")
        if job.mem is not None:
            _check_memory(job.mem, f"{key}.mem")
    if slurm.at_once is not None and slurm.at_once < 1:
        raise InputError(f"slurm.at_once must be a whole number from 1 up, found {slurm.at_once}: leave it out for all")
    if not 1 <= slurm.warning <= MAX_WARNING:
        raise InputError(
            f"slurm.warning must be 1 to {MAX_WARNING} seconds, the limits of sbatch, found {slurm.warning}: correct it"
        )
    key, limit = _limit(slurm)
    if limit is not None and seconds(limit, key) <= slurm.warning:
        raise InputError(
            f"{key} must be longer than slurm.warning, {counted(slurm.warning, 'second')} before its end, found "
            f"{limit}: a shard would be told to stop as it begins; raise the limit, or lower slurm.warning"
        )


def _limit(slurm: SlurmSettings) -> tuple[str, str | None]:
    """Return the name and value of the time limit that takes precedence for sbatch; the value is None without one."""
    if value := _option_value(slurm.options, "--time", "-t"):
        return "--time in slurm.options", value
    if slurm.time is not None:
        return "slurm.time", slurm.time
    return "SBATCH_TIMELIMIT", os.environ.get("SBATCH_TIMELIMIT")


def _option_value(options: list[str], name: str, short: str) -> str | None:
    """Return the last value of an option of sbatch, None without the option."""
    words = option_words(options, "slurm.options")
    for position in reversed(range(len(words))):
        word = words[position]
        if match := re.fullmatch(rf"(?:{name}=|{short})(.+)", word):
            return match[1]
        if word in (name, short):
            return words[position + 1] if position + 1 < len(words) else None
    return None


def _with_defaults(report: ReportJob, slurm: SlurmSettings) -> ReportJob:
    """Return the report's job with what the shards request of the cluster, but less time and memory."""
    time, mem = report.time, report.mem
    if time is None and slurm.time is not None:
        time = slurm.time if seconds(slurm.time, "slurm.time") < REPORT_TIME else "01:00:00"
    if mem is None and slurm.mem is not None:
        mem = slurm.mem if 0 < _mebibytes(slurm.mem) < REPORT_MEMORY else "8G"
    inherited = {name: getattr(report, name) or getattr(slurm, name) for name in ("partition", "account", "qos")}
    return replace(report, time=time, mem=mem, **inherited)


def _check_memory(mem: str, key: str) -> None:
    """Refuse what sbatch would, and a number that was meant as gigabytes: without a unit sbatch reads megabytes."""
    number = re.match(r"\d{1,18}", mem, re.ASCII)
    instead = f"give {key}={number[0] if number and number[0].strip('0') else 32}G"
    if not _MEMORY.fullmatch(mem):
        raise InputError(f"{key} must be a number with K, M, G or T, found {mem!r}: {instead}")
    if 0 < _mebibytes(mem) < LEAST_MEMORY:  # 0 is all of a node's
        raise InputError(f"{key} must be {LEAST_MEMORY} MB or more, found {mem}, in MB without a unit: {instead}")


def _mebibytes(mem: str) -> float:
    match = _MEMORY.fullmatch(mem)
    return int(match[1]) * _UNITS[match[2].upper() or "M"]
