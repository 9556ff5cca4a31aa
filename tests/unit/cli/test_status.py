"""What `podyard status` prints."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from podyard.cli.cluster import control
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.commands.status import age, command, table
from podyard.cli.joining import kept
from podyard.cli.joining.kept import KeptCluster
from podyard.process.main import UserError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119.9, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (2 * 86400, "2d")],
)
def test_age(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_columns_are_aligned() -> None:
    up = {
        "name": "apiserver",
        "pid": 7,
        "address": "https://127.0.0.1:6443",
        "health": "ready",
        "uptime": 3.2,
        "restarts": 0,
        "detail": "serving",
    }
    down = {**up, "name": "dns", "pid": 0, "address": "", "health": "down", "uptime": 0, "detail": ""}
    assert table([up, down]) == [
        "PROCESS     PID   ADDRESS                  HEALTH   UPTIME   RESTARTS   DETAIL",
        "apiserver   7     https://127.0.0.1:6443   ready    3s       0          serving",
        "dns         -     -                        down     0s       0",
    ]


def test_a_cluster_that_starts_does_not_count_as_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = ClusterConfig(name="c", data_dir=str(tmp_path), index=0, api_port=6443, nodes=1)
    monkeypatch.setattr(kept, "require", lambda *_: KeptCluster(cluster))
    args = argparse.Namespace(name="c", data_dir=None, output="table")
    lock = control.Lock(tmp_path)
    lock.acquire()
    with pytest.raises(UserError, match=rf"\(pid {os.getpid()}\) runs cluster c, but does not answer yet"):
        command(args)
    lock.close()
    assert command(args) == 1
    assert "Cluster c is not running" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_trouble() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "podyard.cli", "version"],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
