"""`podyard down`: stop a cluster; with --purge, remove it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

import uvloop

from podyard.cli import flags
from podyard.cli.cluster import control
from podyard.cli.cluster.orphans import ended, wait_for_orphans
from podyard.cli.joining import kept
from podyard.process.main import UserError

STOP_SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard down`."""
    flags.add_cluster(parser)
    parser.add_argument("--purge", action="store_true", help="also remove its state and its kubectl context")


def command(args: argparse.Namespace) -> int:
    """Stop it, wait until everything has ended, and say so."""
    what = kept.require(args.name, args.data_dir)
    pid = control.running_pid(what.path)
    if pid:
        uvloop.run(_end(pid))
    uvloop.run(_leave(what))
    if args.purge:
        what.purge()
    done = "stopped" if pid else "was not running"
    print(f"{what.called.capitalize()} {done}{' and is removed' if args.purge else ''}.")
    return 0


async def _leave(what: kept.Kept) -> None:
    """Also when nothing ran: after kill -9 of `up`, pods are still there, and other processes are ending."""
    await wait_for_orphans(what.path)
    await what.leave()


async def _end(pid: int) -> None:
    """SIGTERM, then wait for the very process."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            await ended(descriptor)
    except TimeoutError:
        raise UserError(f"`podyard up` (pid {pid}) has not ended after {STOP_SECONDS:g} s") from None
    except PermissionError:
        raise UserError(f"`podyard up` (pid {pid}) belongs to another user") from None
    finally:
        os.close(descriptor)
