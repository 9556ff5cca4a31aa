"""Log lines, alike in every process. Apart from main.py, so that small processes need not import asyncio."""

from __future__ import annotations

import logging
import sys

LOG_FORMAT = "%(asctime)s.%(msecs)03d %(levelname).1s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Log to standard error, one line a record. `level` is debug, info, warning or error."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format=LOG_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S", force=True
    )
