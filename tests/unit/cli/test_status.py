"""What `podyard status` prints."""

from __future__ import annotations

import pytest

from podyard.cli.commands.status import age, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119.9, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (2 * 86400, "2d")],
)
def test_age(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_columns_are_aligned() -> None:
    up = {
        "name": "apiserver",
        "pid": 7,
        "address": "https://127.0.0.1:6443",
        "health": "ready",
        "uptime": 3.2,
        "restarts": 0,
        "detail": "serving",
    }
    down = {**up, "name": "dns", "pid": 0, "address": "", "health": "down", "uptime": 0, "detail": ""}
    assert table([up, down]) == [
        "PROCESS     PID   ADDRESS                  HEALTH   UPTIME   RESTARTS   DETAIL",
        "apiserver   7     https://127.0.0.1:6443   ready    3s       0          serving",
        "dns         -     -                        down     0s       0",
    ]
