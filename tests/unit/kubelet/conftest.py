"""Fixtures of the kubelet's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podyard.kubelet.runtime.subprocess import remove_everything
from tests.unit.kubelet.runtime_harness import Pods


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[Pods]:
    """A runtime of its own; whatever still runs at the end is killed."""
    pods = Pods(tmp_path)
    await pods.runtime.start()
    yield pods
    await pods.runtime.close()
    await remove_everything(tmp_path)
