"""The controller-manager process: the controllers, and the scheduler beside them."""

from __future__ import annotations

import argparse

import podyard.controllers.command as command
from podyard.scheduler.scheduler import run_scheduler

add_arguments = command.add_arguments


async def main(args: argparse.Namespace) -> None:
    """Run both until cancelled, over one set of informers."""
    await command.main(args, extra=[run_scheduler])
