"""Hosts whose data directory is that of another cluster, address or command."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e import tools
from tests.e2e.hosts import Hosts


def test_a_directory_of_another_cluster(tmp_path: Path) -> None:
    """The server is made anew at the same address: its nodes notice."""
    hosts = Hosts(tmp_path, 1, tools.kubectl())
    try:
        hosts.start_server()
        host = hosts.join(1)
        host.podyard("down")
        hosts.server.podyard("down", "--purge", "--name", hosts.server.name)
        hosts.start_server()
        done = host.podyard("join", "-d", ok=False)
        assert (done.code, done.err.count("\n")) == (1, 1), done.err
        assert "is another cluster now than the one that" in done.err
        other = host.podyard(*hosts.join_words(), "-d", ok=False)
        assert (other.code, other.err.count("\n")) == (1, 1)
        assert "belongs to another cluster, whose CA has the hash sha256:" in other.err
        assert host.podyard("down", "--purge").out == "Node node1 was not running and is removed.\n"
        hosts.join(1)
        assert hosts.ready_nodes() == ["node1"]
    finally:
        hosts.close()


def test_a_server_is_made_for_one_address(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, 2, tools.kubectl())
    name = hosts.server.name
    try:
        missing = hosts.server.podyard("server", "-d", "--name", name, ok=False)
        assert (
            missing.err
            == "podyard: --advertise ADDRESS is missing: by which address do other hosts reach this one?\n"
        )
        first = hosts.start_server().out
        for words, why in (
            (("server", "--advertise", "127.0.0.7"), f"was made with --advertise {hosts.server.address}"),
            (("up",), "is one of `podyard server`"),
        ):
            done = hosts.server.podyard(*words, "--name", name, ok=False)
            assert (done.code, done.err.count("\n")) == (1, 1)
            assert why in done.err
        assert hosts.server.podyard("down", "--name", name).out == f"Cluster {name} stopped.\n"
        stopped = hosts.server.podyard("status", "--name", name, ok=False)
        assert "is not running; `podyard server` starts it" in stopped.out
        again = hosts.server.podyard("server", "-d", "--name", name).out  # goes on as it was made
        assert re.findall("--token .*", again) == re.findall("--token .*", first)
    finally:
        hosts.close()
