"""The tutorial's page, first command to last: by each kubectl, as root and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.harness import PODYARD, run
from tests.support import ordinary_user

NAME = "page"
KUBECTLS = [*(f"{major}.{minor}" for major, minor in tools.kubectls()), "podyard kubectl"]


class Player:
    """Somebody with a home directory and a cluster."""

    def __init__(self, home: Path, *, ordinary: bool) -> None:
        self._ordinary = ordinary
        self._env = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
        self._env.pop("KUBECONFIG", None)

    def run(self, *words: str, ok: bool = True) -> tuple[int, str]:
        """Run a command as this user; its exit status and all it said."""
        command = ordinary_user.command([*words]) if self._ordinary else [*words]
        done = run(command, env=self._env, timeout=110, ok=ok)
        return done.code, done.out + done.err


@pytest.fixture(scope="module", params=["root", "an ordinary user"])
def player(request: pytest.FixtureRequest) -> Iterator[Player]:
    """A user whose cluster runs."""
    root = os.geteuid() == 0
    if request.param == "root" and not root:
        pytest.skip("only root can play it as root")
    home = Path(tempfile.mkdtemp(prefix="podyard-page-"))
    ordinary = request.param != "root"
    if ordinary and root:
        os.chown(home, ordinary_user.UID, ordinary_user.GID)
    player = Player(home, ordinary=ordinary and root)
    try:
        player.run(*PODYARD, "up", "-d", "--name", NAME)
        yield player
    finally:
        player.run(*PODYARD, "down", "--purge", "--name", NAME, ok=False)
        shutil.rmtree(home)


@pytest.mark.parametrize("which", KUBECTLS)
def test_the_page(player: Player, which: str) -> None:
    tools.need("openssl", "openssl")
    tools.need("curl", "curl")
    if which == "podyard kubectl":
        kubectl = [*PODYARD, "kubectl"]
    else:
        major, _, minor = which.partition(".")
        kubectl = [tools.kubectls()[int(major), int(minor)]]
    code, said = player.run(sys.executable, "-m", "tests.e2e.page_player", NAME, *kubectl, ok=False)
    # The page's last pod heeds no SIGTERM; the next player is not to meet it.
    player.run(*PODYARD, "kubectl", "delete", "deployments,pods,secrets", "--all", "--now")
    player.run(*PODYARD, "kubectl", "delete", "service", "my-nginx", "--ignore-not-found")
    assert code == 0, said


def test_the_kubectls_that_ci_must_have() -> None:
    """Debian 12's, which streams by SPDY/3.1, and one of those that stream by WebSocket."""
    if os.environ.get("CI") == "true":
        assert (1, 20) in tools.kubectls()
    tools.kubectl_at_least(31)
