"""Times that a test takes, and prints with what they are of."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.load import Load


class Stopwatch:
    """Seconds since something was done, printed with what they are of."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self.began = time.monotonic()
        self._record = record

    def seconds(self, what: str) -> float:
        """How long it has taken until now."""
        seconds = time.monotonic() - self.began
        self.tell(what, round(seconds, 2))
        return seconds

    def tell(self, what: str, value: object) -> None:
        """Print a figure."""
        print(f"{what}: {value}")
        self._record(what, value)

    def load(self, load: Load) -> None:
        """What became of the requests."""
        self.tell("requests answered", load.answered)
        self.tell("requests failed after s", [round(at - self.began, 2) for at in load.failed_at])
        self.tell("slow requests", len(load.slow))
        self.tell("the slowest, s", round(max((took for _, took in load.slow), default=0.0), 2))
        self.tell("slow ones begun after s", sorted({round(at - self.began, 1) for at, _ in load.slow}))
