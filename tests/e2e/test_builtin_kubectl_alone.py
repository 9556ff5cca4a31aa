"""`podyard kubectl` where the stock kubectl is no measure: ends, terminals, editors, hasty peers."""

from __future__ import annotations

import re
import resource
import socket
import struct
import subprocess
import sys
from pathlib import Path

from tests.e2e.both import OURS, Both
from tests.e2e.harness import Done, http, run
from tests.support.terminal import Terminal

NAMELESS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: {a: b}}\n"


def test_an_object_without_a_name(both: Both) -> None:
    """Its path is that of all objects of its kind; none of them may be touched."""
    both.same("create", "configmap", "kept")
    for verb in ("apply", "delete", "replace", "label", "patch"):
        words = {"label": ("x=y",), "patch": ("-p", "{}")}.get(verb, ())
        refused = both.ours_only(verb, "-f", "-", *words, stdin=NAMELESS, ok=False)
        assert refused.code == 1, verb
        assert "resource name may not be empty" in refused.err, verb
    both.same("apply", "-f", "-", stdin=NAMELESS)
    both.same("delete", "-f", "-", stdin=NAMELESS)
    both.same("get", "configmap", "kept")


def test_output_that_nobody_reads(both: Both) -> None:
    """`| head -1` ends the program as SIGPIPE would, a full disk is one line; no traceback."""
    kubectl = " ".join(OURS)
    env = {**both.cluster.env, "KUBECTL": kubectl}
    piped = run(["bash", "-c", "$KUBECTL api-resources | head -1; echo ${PIPESTATUS[0]}"], env=env)
    assert piped.out.splitlines()[0].startswith("NAME")
    assert piped.out.splitlines()[1] in ("0", "141")
    script = "$KUBECTL explain pods --recursive | true; echo ${PIPESTATUS[0]}"
    ended = run(["bash", "-c", f"{script}; {script}; {script}"], env=env)
    assert set(ended.out.split()) <= {"0", "141"}
    assert (piped.err, ended.err) == ("", "")
    full = run(["bash", "-c", "$KUBECTL get nodes -o yaml >/dev/full"], env=env, ok=False)
    assert full == Done(1, "", "error: write /dev/stdout: no space left on device\n")


def test_editing(both: Both, tmp_path: Path) -> None:
    both.same("create", "service", "clusterip", "ed", "--tcp=80")
    for editor in ("true", "sed -i s/ClusterIP/NodePort/", "false", "no-such-editor"):
        both.same("edit", "svc", "ed", env={"KUBE_EDITOR": editor})
    assert "NodePort" in both.ours_only("get", "svc", "ed").out
    for lost in ("/apiVersion/d", "s/^metadata.*/metadata:~1/", "s/name:~ed/name:~other/", "s/kind:.*/~-/"):
        kept = both.ours_only(
            "edit", "svc", "ed", ok=False, env={"KUBE_EDITOR": f"sed -i {lost}".replace("~", "\\ ")}
        )
        assert kept.code == 1 and "A copy of your changes has been stored to" in kept.err, lost
    sticky = {"KUBE_EDITOR": "sed -i s/sessionAffinity:.*/sessionAffinity:\\ ClientIP/"}
    both.same("edit", "svc", "ed", "--save-config", env=sticky)
    both.same("apply", "view-last-applied", "svc", "ed")
    new = tmp_path / "new.yaml"
    new.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {a: b}\n")
    for editor in ("true", "sed -i s/name:.*/name:\\ newer/"):
        both.same("create", "--edit", "--save-config", "-f", str(new), env={"KUBE_EDITOR": editor})
    both.same("get", "configmap", "newer", "-o", "yaml")
    taken = both.ours_only("create", "--edit", "-f", str(new), ok=False, env={"KUBE_EDITOR": editor})
    assert taken.code == 1 and "A copy of your changes has been stored to" in taken.err
    assert 'configmaps "newer" already exists' in taken.err
    seen = tmp_path / "seen"
    script = tmp_path / "editor"
    script.write_text(
        f'#!/bin/sh\ncp "$1" {seen}.$(ls {tmp_path} | wc -l)\nsed -i "s/port: 80$/port: 99999/" "$1"\n'
    )
    script.chmod(0o755)
    refused = both.ours_only("edit", "svc", "ed", ok=False, env={"KUBE_EDITOR": str(script)})
    assert refused.code == 1
    assert 'services "ed" is invalid' in refused.err
    assert "Edit cancelled, no valid changes were saved." in refused.err
    copies = sorted(tmp_path.glob("seen.*"), key=lambda path: path.stat().st_mtime)
    assert "# Please edit the object below." in copies[0].read_text()
    assert "# * spec.ports[0].port: Invalid value: 99999" in copies[-1].read_text()


def test_a_terminal(both: Both) -> None:
    """A shell with a terminal: its size, Ctrl-C, its exit status."""
    both.ours_only("run", "shell", "--image=busybox", "--", "sleep", "1000")
    both.ours_only("wait", "--for=condition=Ready", "pod/shell", "--timeout=40s")
    command = [*OURS, "-n", both.ours, "exec", "-it", "shell", "--", "sh"]
    with Terminal(command, both.cluster.env, rows=33, columns=101) as terminal:
        terminal.type("stty size; echo begin; sleep 100\n")
        terminal.see("33 101\nbegin\n")  # the prompt can come after the keys are shown
        terminal.type("\x03")
        terminal.see("# ")
        terminal.type("exit 5\r")
        assert terminal.exit_code() == 5


def test_a_forwarded_connection_that_is_reset(both: Both) -> None:
    """It ends alone: the next one is forwarded."""
    both.ours_only("run", "web", "--image=nginx")
    both.ours_only("wait", "--for=condition=Ready", "pod/web", "--timeout=40s")
    command = [*OURS, "-n", both.ours, "port-forward", "pod/web", ":80"]
    with subprocess.Popen(command, env=both.cluster.env, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        matched = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> 80\n", forward.stdout.readline())
        assert matched
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", int(matched[1]))) as hasty:
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                hasty.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            assert http(f"http://127.0.0.1:{matched[1]}/")[0] == 200
        forward.terminate()


def test_watch(both: Both) -> None:
    command = [*OURS, "-n", both.ours, "get", "configmaps", "-w", "--field-selector=metadata.name=watched"]
    with subprocess.Popen(command, env=both.cluster.env, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None

        def created() -> str:
            both.ours_only("delete", "configmap", "watched", "--ignore-not-found")
            both.ours_only("create", "configmap", "watched")
            assert watch.stdout is not None
            return watch.stdout.readline()

        assert created().split() == ["NAME", "DATA", "AGE"]
        assert watch.stdout.readline().split()[:2] == ["watched", "0"]
        watch.terminate()


def test_it_starts_fast(both: Both) -> None:
    """As it must, to feel like a command: half of it is Python's own start."""
    python = [sys.executable, "-c", "import argparse, asyncio, ssl"]
    kubectl = [*OURS, "-n", both.ours, "get", "pods"]

    def cpu_seconds(command: list[str]) -> float:
        """Whatever else the machine has to do."""
        begin = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(command, env=both.cluster.env)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime

    own, whole = (min(cpu_seconds(command) for _ in range(5)) for command in (python, kubectl))
    assert whole < 4 * own
