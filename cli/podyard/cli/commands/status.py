"""`podyard status`: every process of a cluster."""

from __future__ import annotations

import argparse
import json
from typing import Any

from podyard.cli import flags
from podyard.cli.cluster import control
from podyard.cli.joining import kept
from podyard.process.main import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard status`."""
    flags.add_cluster(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="how to print it")


def command(args: argparse.Namespace) -> int:
    """Print a table; exit status 1 when it is not running or not healthy."""
    what = kept.require(args.name, args.data_dir)
    state = control.ask(what.path)
    if state is None:
        if pid := control.running_pid(what.path):
            raise UserError(
                f"`podyard {what.command}` (pid {pid}) runs {what.called}, but does not answer yet"
            )
        start = f"`podyard {what.command}` starts it"
        print(f"{what.called.capitalize()} is not running; {start}. Its state: {what.path}")
        return 1
    if args.output == "json":
        print(json.dumps(state, indent=2))
    else:
        print("\n".join(table(state["processes"])))
    return 0 if all(process["health"] == "ready" for process in state["processes"]) else 1


TITLES = ("PROCESS", "PID", "ADDRESS", "HEALTH", "UPTIME", "RESTARTS", "DETAIL")


def table(processes: list[dict[str, Any]]) -> list[str]:
    """The lines of the table of a cluster's processes."""
    rows: list[tuple[str, ...]] = [TITLES]
    for p in processes:
        known = (p["name"], p["pid"] or "-", p["address"] or "-", p["health"])
        rows.append((*map(str, known), age(p["uptime"]), str(p["restarts"]), p["detail"]))
    return aligned(rows)


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table, columns aligned with three spaces between them, as kubectl does."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def age(seconds: float) -> str:
    """12s, 5m, 3h, 2d: as `kubectl` writes ages, roughly."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
