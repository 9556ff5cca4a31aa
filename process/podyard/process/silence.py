"""Notices that a process which should speak regularly does not any more."""

from __future__ import annotations

from podyard.process.clock import Clock

STEPS = 10


class Silence:
    """Nothing was heard for `seconds`.

    Told in STEPS steps of this process' own waiting. So when the whole machine was suspended, or both
    processes were stopped (Ctrl-Z), who could not speak meanwhile is not blamed for it.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self._clock = clock
        self._steps = 0

    def heard(self) -> None:
        """It speaks."""
        self._steps = 0

    async def lasts(self) -> None:
        """Return once nothing was heard for so long; then it counts anew."""
        while self._steps < STEPS:
            await self._clock.sleep(self.seconds / STEPS)
            self._steps += 1
        self._steps = 0
