"""A cluster that leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from podyard.cli.cluster import index
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.cluster.progress import Progress
from podyard.cli.cluster.steps import steps
from podyard.cli.demo.stage import PODYARD, set_up
from podyard.process.main import UserError

NAME = "demo"
STOP_SECONDS = 60.0


@contextlib.contextmanager
def home() -> Iterator[tuple[Path, dict[str, str]]]:
    """A temporary home directory, and the environment that belongs to it, `podyard kubectl` included."""
    folder = Path(tempfile.mkdtemp(prefix="podyard-demo-"))
    try:
        yield folder, set_up(folder, [*PODYARD, "kubectl"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def cluster(env: dict[str, str]) -> Iterator[ClusterConfig]:
    """A running cluster in the home directory of `env`. Raises UserError when it does not start."""
    os.environ["HOME"] = env["HOME"]
    made = index.find_or_create(NAME, None, None, None)
    reader, writer = os.pipe()
    command = [*PODYARD, "up", "--name", NAME, "--report-fd", str(writer)]
    # In a session of its own: Ctrl-C is for us, who end it when we have stopped using it.
    process = subprocess.Popen(
        command,
        env={**env, "PODYARD_SUPERVISOR": str(os.getpid())},
        pass_fds=[writer],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        _wait(reader, made)
        yield made
    finally:
        _end(process, env)


def _wait(reader: int, made: ClusterConfig) -> None:
    progress = Progress(f"Starting cluster {made.name} in {made.data_dir}", steps(made))
    try:
        with os.fdopen(reader) as reports:
            for said in map(json.loads, reports):
                if "failed" in said:
                    raise UserError(said["failed"])
                if "serving" in said:
                    return
                progress.update(set(said.get("ready") or ()))
        raise UserError("the cluster did not start")
    finally:
        progress.close()


def _end(process: subprocess.Popen[bytes], env: dict[str, str]) -> None:
    """Stop it, and whatever is left of it should it have been killed."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    subprocess.run(
        [*PODYARD, "down", "--purge", "--name", NAME], env=env, stdout=subprocess.DEVNULL, check=False
    )
