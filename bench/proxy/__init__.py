"""The proxy beside HAProxy and nginx: the same Services, one core each, in turn.

`python -m bench proxy` starts everything that it measures, with configurations in a temporary
directory, and ends it again. The proxy under test has core 0 to itself; load and backends share core 1.
"""

from __future__ import annotations

from bench.proxy import compare, faults, rolling, scale, scaling


def run(rounds: int) -> None:
    """Run all: the comparison, two workers, many Services, kill -9, rolling updates."""
    compare.run(rounds)
    scaling.run(rounds)
    scale.run()
    faults.run(rounds)
    rolling.run()
