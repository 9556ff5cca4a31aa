"""`podyard demo`: play the tutorial page in a throw-away cluster."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from podyard.cli.demo import throwaway
from podyard.cli.demo.page import PAGE
from podyard.cli.demo.player import Player, StepFailed
from podyard.cli.demo.stage import on_node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def command(args: argparse.Namespace) -> int:
    """Play it; exit status 0 only when every step gave what it should."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    began = time.monotonic()
    try:
        _play()
    except StepFailed as failure:
        print(f"\npodyard: `{failure.command}` did not give what it should: {failure.why}", file=sys.stderr)
        return 1
    finally:
        print("\nNothing is left of it.", flush=True)
    seconds = time.monotonic() - began
    print(f"That was the whole page, in {seconds:.0f} s. `podyard up` starts a cluster to keep.")
    return 0


def _play() -> None:
    print('The tutorial "Connecting Applications with Services", for real, in a throw-away cluster.\n')
    with throwaway.home() as (folder, env):
        try:
            with throwaway.cluster(env) as cluster:
                Player(folder, env, on_node(cluster), {"TMP": str(folder)}, _show).play(PAGE)
                _leave()
        except BaseException:
            _leave()
            raise


def _leave() -> None:
    """From here on everything is taken away, whatever is pressed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
