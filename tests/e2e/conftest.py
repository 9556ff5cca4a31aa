"""Fixtures: one cluster for the session, a namespace for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import compose as docker_compose
from tests.e2e import tools
from tests.e2e.both import Both
from tests.e2e.compose import Compose
from tests.e2e.harness import Cluster, Namespace, OrdinaryCluster
from tests.support import ordinary_user

_numbers = itertools.count(1)

# A shell that runs us in the background has Ctrl-C ignored, also by the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster of three nodes, shared by the tests that leave it in one piece."""
    made = Cluster(tmp_path_factory.mktemp("home"), f"e2e-{os.getpid()}", tools.kubectl())
    made.up()
    try:
        yield made
    finally:
        made.down("--purge")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """An empty namespace."""
    with cluster.namespace(f"test-{next(_numbers)}") as made:
        yield made


@pytest.fixture
def both(namespace: Namespace) -> Iterator[Both]:
    """Two empty namespaces: one for the built-in kubectl, one for the stock one."""
    tools.kubectl_at_least(33)
    with namespace.cluster.namespace(f"{namespace.name}-stock") as stock:
        yield Both(namespace.cluster, namespace.name, stock.name)


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster, not started yet, for a test that breaks things."""
    made = Cluster(tmp_path, f"own-{os.getpid()}-{next(_numbers)}", tools.kubectl())
    try:
        yield made
    finally:
        made.podyard("down", "--purge", ok=False)


@pytest.fixture
def ordinary() -> Iterator[OrdinaryCluster]:
    """A cluster of an ordinary user; its home is where such a one may go."""
    home = Path(tempfile.mkdtemp(prefix="podyard-ordinary-"))
    os.chown(home, ordinary_user.UID, ordinary_user.GID)
    made = OrdinaryCluster(home, f"ordinary-{os.getpid()}", tools.kubectl())
    try:
        yield made
    finally:
        made.podyard("down", "--purge", ok=False)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    """The cluster of docker-compose.yml, shared as the one above is."""
    with docker_compose.running() as running:
        yield running
