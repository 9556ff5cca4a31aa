"""Runs that take turns, and the table of their medians and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what is measured, of which peer, and against whom the aim counts."""

    name: str
    unit: str
    digits: int
    base: str
    """The peer whose median the ratios refer to."""
    aim: str
    """The ratio that podyard is to reach, in words."""


Samples = dict[str, list[float]]
"""A figure's values by peer, in the order of the rounds."""


def in_turn(
    rounds: int, peers: Sequence[str], measure: Callable[[str], dict[str, float]]
) -> dict[str, Samples]:
    """Measure every peer once in every round; give the values by figure and peer."""
    found: dict[str, Samples] = {}
    for number in range(rounds):
        order = peers if number % 2 == 0 else list(reversed(peers))
        for peer in order:
            for figure, value in measure(peer).items():
                found.setdefault(figure, {}).setdefault(peer, []).append(value)
    return found


def show(title: str, peers: Sequence[str], figures: Sequence[Figure], samples: dict[str, Samples]) -> None:
    """Print medians, with the spread in per cent of the median, and the ratios to each figure's base."""
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for peer in peers:
        table.add_column(peer, justify="right")
    table.add_column("podyard's aim")
    for figure in figures:
        values = samples.get(figure.name, {})
        if values:
            row = [_cell(figure, values, peer) for peer in peers]
            table.add_row(f"{figure.name} [{figure.unit}]", *row, figure.aim)
    Console(width=190).print(table)


def _cell(figure: Figure, values: Samples, peer: str) -> str:
    mine = values.get(peer)
    if not mine:
        return "-"
    median = statistics.median(mine)
    spread = (max(mine) - min(mine)) / median / 2 * 100 if median else 0.0
    text = f"{median:,.{figure.digits}f} ±{spread:.0f}%"
    base = values.get(figure.base)
    if base is not None and peer != figure.base:
        text += f"\n{_ratio(mine, base):.2f}x"
    return text


def _ratio(mine: list[float], base: list[float]) -> float:
    """The median of the rounds' ratios: what disturbs one round disturbs both."""
    pairs = [one / other for one, other in zip(mine, base, strict=False) if other]
    return statistics.median(pairs) if pairs else float("nan")
