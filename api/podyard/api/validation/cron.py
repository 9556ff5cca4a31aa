"""The schedule of a CronJob: five fields, or a descriptor such as "@hourly".

Messages as of github.com/robfig/cron, which Kubernetes uses.
"""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
"""Least value, greatest value and names of minute, hour, day of month, month and day of week."""
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_DURATION = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+")


def schedule_error(schedule: str) -> str:
    """What is wrong with a schedule; "" when nothing is."""
    if schedule.startswith("@"):
        return _descriptor_error(schedule)
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            try:
                _check_range(part, least, most, names)
            except ValueError as error:
                return str(error)
    return ""


def _descriptor_error(schedule: str) -> str:
    if schedule in _DESCRIPTORS:
        return ""
    every, _, duration = schedule.partition(" ")
    if every == "@every":
        return "" if _DURATION.fullmatch(duration) else f"failed to parse duration {schedule}"
    return f"unrecognized descriptor: {schedule}"


def _check_range(text: str, least: int, most: int, names: dict[str, int]) -> None:
    """One range: "*", "n", "n-m", each with an optional "/step". Raises ValueError."""
    interval, *steps = text.split("/")
    first, *rest = interval.split("-")
    if len(rest) > 1:
        raise ValueError(f"too many hyphens: {text}")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    if first in ("*", "?"):
        start, end = least, most
    else:
        start = _number(first, names)
        end = _number(rest[0], names) if rest else (most if steps else start)
    step = _number(steps[0], {}) if steps else 1
    if start < least:
        raise ValueError(f"beginning of range ({start}) below minimum ({least}): {text}")
    if end > most:
        raise ValueError(f"end of range ({end}) above maximum ({most}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")


def _number(text: str, names: dict[str, int]) -> int:
    if (named := names.get(text.lower())) is not None:
        return named
    if not re.fullmatch(r"[-+]?[0-9]+", text, re.ASCII):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if (number := int(text)) < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
