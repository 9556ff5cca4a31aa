"""Standard output: what happens when it cannot be written to."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from podyard.kubectl.errors import CommandError

PIPE_STATUS = 128 + signal.SIGPIPE
"""The exit status of a program that SIGPIPE ended, as a shell tells it."""


def reader_gone() -> NoReturn:
    """End the program, from any thread: nobody reads its output any more (`kubectl … | head -1`).

    SIGPIPE itself stays ignored, as Python has it: it would end the program for a closed socket, too.
    """
    os._exit(PIPE_STATUS)


def failed(error: OSError) -> CommandError:
    """Forget what was not written yet, for Python would try again at its end; gives what to report."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return CommandError(f"write /dev/stdout: {system_text(error)}")


def system_text(error: OSError) -> str:
    """What the system says about an error, in the lower case in which Go writes it."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
