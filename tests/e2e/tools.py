"""The programs that the whole-cluster tests use, and what to do when one is missing.

In CI (CI=true) a missing tool fails the test; elsewhere it skips it, and pytest's summary says so.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

CI_BIN = Path(__file__).parents[2] / ".ci" / "bin"
"""Where .ci/kubectl puts what the machine lacks."""
CI_NGINX = Path(__file__).resolve().parents[2] / ".ci/nginx/usr/sbin"
"""Where CI unpacks Debian's nginx: installed, it would be what the image `nginx` runs in all tests."""


def need(tool: str, package: str) -> str:
    """The path of a tool; without it the test fails in CI and is skipped elsewhere."""
    path = shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:{CI_NGINX}")
    if path is None:
        missing(f"{tool} is not installed (Debian: apt-get install {package})")
    assert path is not None
    return path


@cache
def kubectls() -> dict[tuple[int, int], str]:
    """Every kubectl on this machine, by (major, minor), newest first."""
    found: dict[tuple[int, int], str] = {}
    for path in _candidates():
        version = _version(path)
        if version:
            found.setdefault(version, path)
    return dict(sorted(found.items(), reverse=True))


def kubectl() -> str:
    """The newest kubectl there is."""
    if not kubectls():
        missing("kubectl is not installed (https://kubernetes.io/docs/tasks/tools/)")
    return next(iter(kubectls().values()))


def kubectl_at_least(minor: int) -> str:
    """The newest kubectl, if it is 1.`minor` or newer: older ones stream by SPDY."""
    path = kubectl()
    if next(iter(kubectls())) < (1, minor):
        missing(f"kubectl 1.{minor} or newer is not installed")
    return path


def _candidates() -> list[str]:
    plain = shutil.which("kubectl")
    folders = [os.path.dirname(os.path.realpath(plain))] if plain else []
    versioned = [path for folder in (*folders, CI_BIN) for path in glob.glob(f"{folder}/kubectl.1.*")]
    return [*versioned, plain] if plain else versioned


def _version(path: str) -> tuple[int, int] | None:
    done = subprocess.run([path, "version", "--client"], capture_output=True, text=True, check=False)
    matched = re.search(r'(?:GitVersion:"|Client Version: )v(\d+)\.(\d+)', done.stdout)
    return (int(matched[1]), int(matched[2])) if matched else None


def missing(text: str) -> None:
    """Something that a test needs is not there."""
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)
