"""Runs every benchmark and prints its table."""

from __future__ import annotations

import argparse

from bench import cluster


def main() -> None:
    """Run them all; `--rounds` says how often each is repeated (medians are printed)."""
    parser = argparse.ArgumentParser(prog="bench", description=main.__doc__)
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="repetitions (default: %(default)s)"
    )
    cluster.run(parser.parse_args().rounds)


if __name__ == "__main__":
    main()
