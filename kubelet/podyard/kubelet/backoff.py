"""Delays that double with each failure (k8s.io/client-go/util/flowcontrol). Pure but for its memory."""

from __future__ import annotations

from collections.abc import Hashable

INITIAL_SECONDS = 10.0
MAX_SECONDS = 300.0


class Backoff:
    """Remembers for each key how long to wait since its last failure.

    The first delay is 10 s, each further one twice as long up to 5 minutes; a key that has kept
    quiet for twice the maximum starts anew (as kubelet's for restarts and for image pulls).
    """

    def __init__(self, initial: float = INITIAL_SECONDS, maximum: float = MAX_SECONDS) -> None:
        self._initial = initial
        self._maximum = maximum
        self._entries: dict[Hashable, tuple[float, float]] = {}  # key → (delay, when it last grew)

    def delay(self, key: Hashable) -> float:
        """The seconds that a key waits now; 0 when it has not failed."""
        return self._entries.get(key, (0.0, 0.0))[0]

    def remaining(self, key: Hashable, since: float, now: float) -> float:
        """Seconds until the key may be tried again, when the failure was at `since`; 0: at once.

        Both are seconds since the epoch. A delay that was last raised long ago has lapsed.
        """
        entry = self._entries.get(key)
        if entry is None or self._lapsed(entry[1], since):
            return 0.0
        return max(0.0, since + entry[0] - now)

    def grow(self, key: Hashable, since: float, now: float) -> float:
        """Count one failure that happened at `since`; give the new delay."""
        entry = self._entries.get(key)
        if entry is None or self._lapsed(entry[1], since):
            delay = self._initial
        else:
            delay = min(entry[0] * 2, self._maximum)
        self._entries[key] = (delay, now)
        return delay

    def restore(self, key: Hashable, failures: int, when: float) -> None:
        """Assume the delay of a key that failed `failures` times before this process began."""
        if failures > 0 and key not in self._entries:
            delay = min(self._initial * 2.0 ** min(failures - 1, 16), self._maximum)
            self._entries[key] = (delay, when)

    def forget(self, prefix: str) -> None:
        """Drop the keys that are tuples beginning with `prefix`."""
        for key in [k for k in self._entries if isinstance(k, tuple) and k[0] == prefix]:
            del self._entries[key]

    def _lapsed(self, grown: float, at: float) -> bool:
        return at - grown > 2 * self._maximum
