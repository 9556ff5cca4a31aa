"""`podyard version`: what this is."""

from __future__ import annotations

import argparse
import platform

from podyard.api.version import GIT_VERSION, PODYARD_VERSION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`podyard version` has no flags."""


def command(args: argparse.Namespace) -> int:
    """Print the versions of podyard, of the Kubernetes API it speaks, and of Python."""
    print(f"podyard {PODYARD_VERSION} (Kubernetes API {GIT_VERSION}, Python {platform.python_version()})")
    return 0
