"""Times in Kubernetes' forms."""

from __future__ import annotations

import pytest

from podyard.api import times


@pytest.mark.parametrize(
    ("seconds", "time", "micro"),
    [
        (0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        (1700000000.999999, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.999999Z"),
        (-0.5, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.500000Z"),
    ],
)
def test_written(seconds: float, time: str, micro: str) -> None:
    assert times.to_rfc3339(seconds) == time
    assert times.to_rfc3339_micro(seconds) == micro


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-14T22:13:20.250000Z", 1700000000.25),
        ("2023-11-14T23:13:20+01:00", 1700000000),
        ("2023-11-14T21:43:20-00:30", 1700000000),
    ],
)
def test_read(text: str, seconds: float) -> None:
    assert times.from_rfc3339(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2023-11-14", "2023-13-14T22:13:20Z", "2023-11-14 22:13:20Z"]
)
def test_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="parsing time") as caught:
        times.from_rfc3339(text)
    assert f'"{text}" as "2006-01-02T15:04:05Z07:00"' in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (10 * 60 + 5, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600 + 60, "9h"),
        (50 * 3600, "2d2h"),
        (30 * 86400, "30d"),
        (800 * 86400, "2y70d"),
        (3000 * 86400, "8y"),
    ],
)
def test_human_duration(seconds: float, shown: str) -> None:
    assert times.human_duration(seconds) == shown
