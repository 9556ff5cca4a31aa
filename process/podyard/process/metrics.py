"""Prometheus metrics over plain HTTP, for the processes that serve no HTTP otherwise."""

from __future__ import annotations

import argparse
import asyncio

from podyard.process.main import UserError


def add_metrics_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --metrics-address."""
    parser.add_argument(
        "--metrics-address",
        metavar="HOST:PORT",
        default="",
        help="serve Prometheus metrics here (default: nowhere)",
    )


async def serve_metrics(address: str) -> asyncio.Server | None:
    """Answer every GET on `address` with the process' metrics; do nothing when it is empty."""
    if not address:
        return None
    host, _, port = address.rpartition(":")
    try:
        return await asyncio.start_server(_answer, host, int(port))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot serve metrics on --metrics-address {address}: {error}") from None


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # Late: a process that is not asked for metrics does without the library's memory.
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    try:
        await reader.readuntil(b"\r\n\r\n")
        body = generate_latest()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE_LATEST}\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        pass
    finally:
        writer.close()
