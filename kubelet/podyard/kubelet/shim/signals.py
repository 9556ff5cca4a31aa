"""Signals by their names."""

from __future__ import annotations

import signal


def signal_number(name: str) -> int:
    """Of "SIGTERM", "SIGRTMIN+3", "SIGRTMAX-1" (signal(7)). Raises ValueError when it is none."""
    try:
        for sign in "+-":
            base, found, offset = name.partition(sign)
            if found and base in ("SIGRTMIN", "SIGRTMAX"):
                number = signal.Signals[base] + int(sign + offset)
                if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
                    return number
        return signal.Signals[name]
    except (KeyError, ValueError):
        raise ValueError(f'unknown signal "{name}"') from None
