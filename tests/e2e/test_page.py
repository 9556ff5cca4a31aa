"""The tutorial's page, first command to last: in each setting, by each kubectl."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.compose import Compose, kubeconfig
from tests.e2e.harness import PODYARD, run
from tests.support import ordinary_user

pytestmark = pytest.mark.timeout(600)  # an image may have to be built

NAME = "page"
KUBECTLS = [*(f"{major}.{minor}" for major, minor in tools.kubectls()), "podyard kubectl"]


# On the first two settings every kubectl; on the others the oldest, the newest and our own.
FEW = [KUBECTLS[0], *KUBECTLS[-2:]] if len(KUBECTLS) > 2 else KUBECTLS
SETTINGS = {"root": KUBECTLS, "an ordinary user": KUBECTLS, "netns": FEW, "docker compose": FEW}


class Player:
    """Somebody with a home directory and a cluster."""

    def __init__(self, home: Path, cluster: str, *, ordinary: bool = False) -> None:
        self.cluster = cluster
        self._ordinary = ordinary
        self._env = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
        self._env.pop("KUBECONFIG", None)

    def run(self, *words: str, ok: bool = True) -> tuple[int, str]:
        """Run a command as this user; its exit status and all it said."""
        command = ordinary_user.command([*words]) if self._ordinary else [*words]
        done = run(command, env=self._env, timeout=300, ok=ok)
        return done.code, done.out + done.err


@contextmanager
def up(player: Player, *flags: str) -> Iterator[Player]:
    """With a cluster on this host."""
    try:
        player.run(*PODYARD, "up", "-d", "--name", player.cluster, *flags)
        yield player
    finally:
        player.run(*PODYARD, "down", "--purge", "--name", player.cluster, ok=False)


@contextmanager
def setting(name: str, home: Path, request: pytest.FixtureRequest) -> Iterator[Player]:
    """A user whose cluster runs."""
    root = os.geteuid() == 0
    if name != "an ordinary user" and not root:
        pytest.skip("only root can play it so")
    match name:
        case "root":
            with up(Player(home, NAME)) as player:
                yield player
        case "an ordinary user":
            if root:
                os.chown(home, ordinary_user.UID, ordinary_user.GID)
            with up(Player(home, NAME, ordinary=root)) as player:
                yield player
        case "netns":
            with up(Player(home, NAME), "--network", "netns") as player:
                yield player
        case "docker compose":
            compose: Compose = request.getfixturevalue("compose")
            kubeconfig(compose, home)
            yield Player(home, f"docker:{compose.container('client')}")


@pytest.fixture(scope="module")
def player(request: pytest.FixtureRequest) -> Iterator[Player]:
    """Somebody in each setting."""
    home = Path(tempfile.mkdtemp(prefix="podyard-page-"))
    try:
        with setting(request.param, home, request) as player:
            yield player
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize(
    ("player", "which"),
    [(setting, which) for setting, kubectls in SETTINGS.items() for which in kubectls],
    indirect=["player"],
)
def test_the_page(player: Player, which: str) -> None:
    tools.need("openssl", "openssl")
    tools.need("curl", "curl")
    if which == "podyard kubectl":
        kubectl = [*PODYARD, "kubectl"]
    else:
        major, _, minor = which.partition(".")
        kubectl = [tools.kubectls()[int(major), int(minor)]]
    code, said = player.run(sys.executable, "-m", "tests.e2e.page_player", player.cluster, *kubectl, ok=False)
    # The page's last pod heeds no SIGTERM; the next player is not to meet it.
    player.run(*PODYARD, "kubectl", "delete", "deployments,pods,secrets", "--all", "--now")
    player.run(*PODYARD, "kubectl", "delete", "service", "my-nginx", "--ignore-not-found")
    assert code == 0, said


def test_the_kubectls_that_ci_must_have() -> None:
    """Debian 12's, which streams by SPDY/3.1, and one of those that stream by WebSocket."""
    if os.environ.get("CI") == "true":
        assert (1, 20) in tools.kubectls()
    tools.kubectl_at_least(31)
