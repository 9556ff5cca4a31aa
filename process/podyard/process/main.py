"""How every podyard process runs: event loop, signals, one-line errors."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

from podyard.process.notify import notify, watchdog

# Read by gRPC when it is imported, which is later. Its fork handlers, on by default, shut the
# connections in every child that uvloop forks, and what they write garbles the parent's TLS.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


class UserError(Exception):
    """Something the user can put right. Its text is printed as one line; the exit status is 1."""


def run(main: Callable[[], Awaitable[None]]) -> int:
    """Run `main` on uvloop until it returns or SIGTERM or SIGINT cancels it; give the exit status."""
    end_with_supervisor()
    try:
        uvloop.run(_until_signalled(main))
    except UserError as error:
        print(f"podyard: {error}", file=sys.stderr)
        return 1
    return 0


def end_with_supervisor() -> None:
    """Have the kernel end this process when the one that started it (`podyard up`, the demo) is gone.

    $PODYARD_SUPERVISOR holds its pid. Without this a supervisor that was killed would leave
    processes that hold its ports, and nobody to restart them.
    """
    supervisor = os.environ.pop("PODYARD_SUPERVISOR", "")
    if not supervisor:
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if os.getppid() != int(supervisor):  # it was gone before we asked
        sys.exit(1)


async def _until_signalled(main: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(main())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    beat = asyncio.create_task(watchdog())
    try:
        await work
    except asyncio.CancelledError:
        pass
    finally:
        notify(STOPPING=1)
        beat.cancel()
