"""Runs the benchmarks and prints their tables."""

from __future__ import annotations

import argparse
import importlib

NAMES = ("cluster", "proxy", "dns")


def main() -> None:
    """Run one of them, or all; `--rounds` says how often each is repeated (medians are printed)."""
    parser = argparse.ArgumentParser(prog="bench", description=main.__doc__)
    parser.add_argument("which", nargs="?", choices=NAMES, help="(default: all)")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="repetitions (default: %(default)s)"
    )
    args = parser.parse_args()
    for name in [args.which] if args.which else NAMES:
        importlib.import_module(f"bench.{name}").run(args.rounds)


if __name__ == "__main__":
    main()
