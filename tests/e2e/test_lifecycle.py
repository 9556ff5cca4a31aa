"""Starting, stopping, killing and breaking a whole cluster."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e.harness import (
    PODYARD,
    Cluster,
    connects,
    eventually,
    http,
    kill,
    processes_of,
    run,
    supervisor_pid,
)

WEB = "examples/run-my-nginx.yaml"


def deploy(cluster: Cluster) -> list[str]:
    """Run the two nginx pods; give their addresses."""
    cluster.kubectl("apply", "-f", WEB)
    cluster.kubectl("rollout", "status", "deployment/my-nginx", "--timeout=50s")
    return pod_ips(cluster)


def pod_ips(cluster: Cluster) -> list[str]:
    """The addresses of the nginx pods."""
    items = cluster.json("pods", "-l", "run=my-nginx")["items"]
    return sorted(p["status"].get("podIP", "") for p in items if "deletionTimestamp" not in p["metadata"])


def test_up_down_and_up_again(own_cluster: Cluster) -> None:
    began = own_cluster.up()
    assert re.search(r"Cluster \S+ is ready after [0-9.]+ s", began.out)
    assert {p["health"] for p in own_cluster.status()} == {"ready"}
    table = own_cluster.podyard("status").out.splitlines()
    assert table[0].split() == ["PROCESS", "PID", "ADDRESS", "HEALTH", "UPTIME", "RESTARTS", "DETAIL"]
    assert len(table) == 1 + 9
    ips = deploy(own_cluster)

    again = own_cluster.podyard("up", "-d", ok=False)
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert re.match(r"podyard: this cluster is running already \(pid \d+\)", again.err)

    own_cluster.down()
    assert processes_of(own_cluster) == []
    assert not any(connects(ip, 80) for ip in ips)
    own_cluster.up()
    own_cluster.kubectl("rollout", "status", "deployment/my-nginx", "--timeout=50s")
    eventually(lambda: all(http(f"http://{ip}")[0] == 200 for ip in pod_ips(own_cluster)))

    own_cluster.down("--purge")
    assert processes_of(own_cluster) == []
    assert not (own_cluster.home / ".podyard" / own_cluster.name).exists()
    kubeconfig = yaml.safe_load((own_cluster.home / ".kube" / "config").read_text())
    assert (kubeconfig["contexts"], kubeconfig["clusters"], kubeconfig["users"]) == ([], [], [])
    missing = own_cluster.podyard("status", ok=False)
    assert (missing.code, missing.err) == (
        1,
        f"podyard: there is no cluster named '{own_cluster.name}'; `podyard up` makes one\n",
    )


def test_the_foreground_until_ctrl_c(own_cluster: Cluster) -> None:
    command = [*PODYARD, "up", "--name", own_cluster.name, "--nodes", "1"]
    with subprocess.Popen(command, env=own_cluster.env, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        lines = iter(up.stdout.readline, "")
        assert any("is ready after" in line for line in lines)
        assert any("Ctrl-C stops it" in line for line in lines)
        assert own_cluster.kubectl("get", "nodes").out.count("Ready") == 1
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=30) == 0
    assert processes_of(own_cluster) == []


@pytest.mark.parametrize("moment", ["Starting cluster", "  ready  apiserver"])
def test_a_start_in_the_background_that_is_interrupted(own_cluster: Cluster, moment: str) -> None:
    command = [*PODYARD, "up", "-d", "--name", own_cluster.name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=own_cluster.env, stdout=pipe, stderr=pipe, text=True) as up:
        assert up.stdout is not None and up.stderr is not None
        assert any(line.startswith(moment) for line in iter(up.stdout.readline, ""))
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=40) == 130
        assert up.stderr.read() == ""
    assert processes_of(own_cluster) == []


@pytest.mark.parametrize(
    "process", ["apiserver", "controller-manager", "dns", "kubelet-node1", "proxy-node1"]
)
def test_a_killed_process_comes_back(own_cluster: Cluster, process: str) -> None:
    own_cluster.up("--nodes", "1")
    ips = deploy(own_cluster)
    own_cluster.kubectl("expose", "deployment/my-nginx")
    service = own_cluster.json("svc", "my-nginx")["spec"]["clusterIP"]
    own_cluster.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    others = {p["name"]: p["pid"] for p in own_cluster.status() if p["name"] != process}
    pid = own_cluster.pid(process)
    kill(pid)

    def back() -> bool:
        found = {p["name"]: p for p in own_cluster.status()}
        return found[process]["pid"] not in (0, pid) and found[process]["health"] == "ready"

    eventually(back)
    assert {p["name"]: p["pid"] for p in own_cluster.status() if p["name"] != process} == others
    assert own_cluster.kubectl("get", "configmap", "kept").code == 0
    assert pod_ips(own_cluster) == ips
    statuses = [s for p in own_cluster.json("pods")["items"] for s in p["status"]["containerStatuses"]]
    assert [s["restartCount"] for s in statuses] == [0, 0]
    eventually(lambda: http(f"http://{service}")[0] == 200)
    own_cluster.kubectl("scale", "deployment/my-nginx", "--replicas=3")
    own_cluster.kubectl("rollout", "status", "deployment/my-nginx", "--timeout=40s")


def test_everything_killed_and_started_again(own_cluster: Cluster) -> None:
    own_cluster.up("--nodes", "2")
    deploy(own_cluster)
    for line in processes_of(own_cluster):
        try:
            os.kill(int(line.split()[0]), signal.SIGKILL)
        except ProcessLookupError:
            pass
    eventually(lambda: processes_of(own_cluster) == [])
    own_cluster.up()
    own_cluster.kubectl("rollout", "status", "deployment/my-nginx", "--timeout=50s")
    eventually(lambda: [http(f"http://{ip}")[0] for ip in pod_ips(own_cluster)] == [200, 200])


def test_pods_outlive_a_killed_supervisor(own_cluster: Cluster) -> None:
    own_cluster.up("--nodes", "1")
    ips = deploy(own_cluster)
    kill(supervisor_pid(own_cluster))
    assert all(http(f"http://{ip}")[0] == 200 for ip in ips)
    own_cluster.up()  # at once: it waits for what the one before has left
    eventually(lambda: pod_ips(own_cluster) == ips)
    kill(supervisor_pid(own_cluster))
    own_cluster.down()
    assert processes_of(own_cluster) == []


def test_two_clusters_side_by_side(cluster: Cluster, own_cluster: Cluster) -> None:
    own_cluster.up("--nodes", "1")
    ips = deploy(own_cluster)
    assert own_cluster.config.index != cluster.config.index
    assert cluster.kubectl("get", "deployments").err == "No resources found in default namespace.\n"
    assert all(http(f"http://{ip}")[0] == 200 for ip in ips)
    assert len(cluster.json("nodes")["items"]) == 3
    printed = yaml.safe_load(own_cluster.podyard("kubeconfig").out)
    assert printed["current-context"] == f"podyard-{own_cluster.name}"
    assert printed["clusters"][0]["cluster"]["server"] == own_cluster.config.api_url


def test_a_kubeconfig_that_cannot_be_used_is_told_of_before_the_start(own_cluster: Cluster) -> None:
    file = own_cluster.home / ".kube" / "config"
    file.mkdir(parents=True)
    refused = own_cluster.podyard("up", "-d", ok=False)
    said = f"your kubeconfig {file} cannot be read, and was left alone: Is a directory\n"
    assert (refused.code, refused.err) == (1, f"podyard: {said}")
    state = own_cluster.home / ".podyard" / own_cluster.name
    assert not list(state.glob("logs/apiserver*")), "nothing was started"
    purged = own_cluster.podyard("down", "--purge", ok=False)
    name = own_cluster.name
    gone = f"cluster {name} is removed, its context 'podyard-{name}' is not"
    assert (purged.code, purged.err) == (1, f"podyard: {gone}: {said}")
    assert not state.exists()


def test_a_taken_port_is_named(own_cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = own_cluster.podyard("up", "-d", "--port", str(port), ok=False)
    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert f"port {port}/tcp of 127.0.0.1 (the Kubernetes API) is taken by" in refused.err
    assert f"(pid {os.getpid()})" in refused.err
    assert processes_of(own_cluster) == []


@pytest.mark.parametrize("damage", ["garbage", "newer"])
def test_a_data_directory_that_is_damaged_or_newer(own_cluster: Cluster, damage: str) -> None:
    own_cluster.up("--nodes", "1")
    own_cluster.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    own_cluster.down()
    database = own_cluster.config.path / "apiserver" / "state.db"
    backup = own_cluster.home / "backup.db"
    shutil.copy(database, backup)
    if damage == "garbage":
        database.write_bytes(b"this is not a database" * 1000)
    else:
        _set_user_version(database, 9999)
    before = database.read_bytes()
    refused = own_cluster.podyard("up", "-d", ok=False)
    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert str(database) in refused.err
    assert database.read_bytes() == before, "nothing is overwritten"
    assert processes_of(own_cluster) == []
    shutil.copy(backup, database)
    own_cluster.up()
    assert own_cluster.kubectl("get", "configmap", "kept").code == 0


def _set_user_version(database: Path, version: int) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def test_acknowledged_writes_survive_kill_9(own_cluster: Cluster) -> None:
    own_cluster.up("--nodes", "1")
    pid = own_cluster.pid("apiserver")
    acknowledged = []
    numbers = itertools.count()

    def create() -> bool:
        name = f"c{next(numbers)}"
        done = own_cluster.kubectl("create", "configmap", name, "--from-literal=a=b", ok=False)
        if done.code == 0:
            acknowledged.append(f"configmap/{name}")
        return done.code == 0

    assert all(create() for _ in range(20))
    kill(pid)
    for _ in range(6):
        eventually(create)
    kept = own_cluster.kubectl("get", "configmaps", "-o", "name").out.split()
    assert set(acknowledged) <= set(kept)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("up", "--name", "Bad_Name"), "a name has 1 to 40 lower-case letters"),
        (("up", "--nodes", "0"), "is not a number from 1 to 99"),
        (("up", "--port", "99999"), "is not a port from 1 to 65534"),
        (("down", "--name", "nobody"), "there is no cluster named 'nobody'"),
        (("kubeconfig", "--name", "nobody"), "there is no cluster named 'nobody'"),
        (("nonsense",), "invalid choice: 'nonsense'"),
    ],
)
def test_a_wrong_command_line(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = run([*PODYARD, *words], env={**os.environ, "HOME": str(tmp_path)}, ok=False)
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_directory_that_is_something_else(tmp_path: Path) -> None:
    precious = tmp_path / "strange" / "precious"
    precious.parent.mkdir()
    precious.write_text("keep me")
    done = run(
        [*PODYARD, "up", "--data-dir", str(precious.parent)],
        env={**os.environ, "HOME": str(tmp_path / "home")},
        ok=False,
    )
    assert done.code == 1
    assert re.fullmatch(r"podyard: \S+ is not empty \(it holds precious\).*\n", done.err)
    assert precious.read_text() == "keep me"
