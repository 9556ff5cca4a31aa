"""`podyard kubectl` beside the stock kubectl: the same commands, the same output and exit status.

What streams (exec, attach, run, logs, cp, port-forward, proxy) is in test_streams.py.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.harness import PODYARD, Cluster, Done, Namespace, http, run
from tests.support.terminal import Terminal

OURS = [*PODYARD, "kubectl"]

CHANGED = (
    (r"\bkubectl\.1\.\d+", "kubectl"),
    (r"(deployment|replicaset)?-[0-9a-z]{8,10}-[0-9a-z]{5}\b", "-POD"),
    (r"\b(my-nginx|web)-[0-9a-z]{8,10}\b", r"\1-HASH"),
    (r"127\.\d+\.\d+\.\d+", "IP"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\w{3}, \d\d \w{3} \d{4} [\d:]+ \+\d+", "TIME"),
    (r"(resourceVersion: )\"\d+\"", r"\1VERSION"),
    (r"\b\d+[ms]\d*s?\b", "AGE"),
    (r"\b3[0-2]\d{3}\b", "NODEPORT"),
    (r"(token|nodePort): \S+", r"\1"),
    (r"Waiting for deployment .*\n", ""),
    (r" {2,}", "  "),
)
"""What differs from one object to the next, and so from one namespace to the other."""


@dataclasses.dataclass(frozen=True)
class Both:
    """The built-in client in one namespace, the stock one in another."""

    cluster: Cluster
    ours: str
    stock: str

    def ours_only(
        self, *words: str, stdin: str = "", ok: bool = True, env: dict[str, str] | None = None
    ) -> Done:
        """Run the built-in client in its namespace."""
        environment = {**self.cluster.env, **(env or {})}
        return run([*OURS, "-n", self.ours, *words], env=environment, stdin=stdin, ok=ok)

    def same(self, *words: str, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        """Run a command with both; they must do and say the same. Gives what ours said."""
        environment = {**self.cluster.env, **(env or {})}
        stock = run(
            [self.cluster.kubectl_path, "-n", self.stock, *words], env=environment, stdin=stdin, ok=False
        )
        ours = self.ours_only(*words, stdin=stdin, ok=False, env=env)
        assert _normal(ours, self.ours) == _normal(stock, self.stock), f"kubectl {' '.join(words)}"
        return ours


def _normal(done: Done, namespace: str) -> Done:
    texts = []
    for text in (done.out, done.err):
        text = re.sub(rf"\b{namespace}\b", "NS", text)
        for pattern, replacement in CHANGED:
            text = re.sub(pattern, replacement, text)
        texts.append(text)
    return Done(done.code, *texts)


@pytest.fixture
def both(namespace: Namespace, request: pytest.FixtureRequest) -> Iterator[Both]:
    """Two empty namespaces."""
    tools.kubectl_at_least(33)
    second = f"{namespace.name}-stock"
    namespace.cluster.kubectl("create", "namespace", second)
    namespace.cluster.kubectl(
        "wait", "--for=create", "serviceaccount/default", "--timeout=20s", namespace=second
    )
    yield Both(namespace.cluster, namespace.name, second)
    namespace.cluster.kubectl("delete", "namespace", second, "--wait=false")


def _words(line: str) -> list[str]:
    """Split a command at spaces; ~ stands for a space inside of a word."""
    return [word.replace("~", " ") for word in line.split()]


def _all_same(both: Both, lines: str) -> None:
    for line in lines.strip().splitlines():
        both.same(*_words(line))


def test_the_session(both: Both) -> None:
    _all_same(
        both,
        """
        apply -f examples/run-my-nginx.yaml --dry-run=client
        apply -f examples/run-my-nginx.yaml --dry-run=server
        apply -f examples/run-my-nginx.yaml
        apply -f examples/run-my-nginx.yaml
        apply -f examples/run-my-nginx.yaml -o name
        apply view-last-applied deployment my-nginx
        apply view-last-applied deployment/my-nginx -o json
        apply view-last-applied deployment/nope
        wait --for=condition=available deployment/my-nginx
        rollout status deployment/my-nginx
        get pods -l run=my-nginx
        expose deployment/my-nginx
        expose deployment/my-nginx
        get svc my-nginx
        scale deployment my-nginx --replicas=0
        wait --for=delete pod/nope --timeout=40s
        scale deployment my-nginx --replicas=2
        rollout status deployment my-nginx
        scale deployment my-nginx --replicas=1 --current-replicas=5
        scale deployment nope --replicas=1
        scale deployment my-nginx
        set image deployment/my-nginx my-nginx=nginx:1.25
        rollout status deployment my-nginx
        rollout history deployment/my-nginx
        rollout history deployment/my-nginx --revision=2
        rollout undo deployment/my-nginx
        rollout undo deployment/my-nginx --to-revision=9
        rollout pause deployment/my-nginx
        rollout pause deployment/my-nginx
        rollout resume deployment/my-nginx
        rollout restart deployment/my-nginx
        label deployment my-nginx tier=front
        label deployment my-nginx tier=back
        label deployment my-nginx tier=back --overwrite
        label deployment my-nginx tier-
        annotate deployment my-nginx note=this
        annotate deployment my-nginx note=that
        set env deployment/my-nginx A=B C=D
        set env deployment/my-nginx A- C=E
        set env deployment/my-nginx --list
        set resources deployment my-nginx --limits=memory=512Mi
        set resources deployment my-nginx
        set serviceaccount deployment my-nginx default
        set selector svc my-nginx run=my-nginx
        patch deployment my-nginx -p {"spec":{"replicas":1}}
        patch deployment my-nginx -p {"spec":{"replicas":1}}
        patch deployment my-nginx --type=json -p [{"op":"replace","path":"/spec/replicas","value":2}]
        patch deployment my-nginx -p {"spec":{"replicas":"x"}}
        delete deployment,svc my-nginx
        delete deployment my-nginx
        """,
    )


def test_making_objects(both: Both) -> None:
    _all_same(
        both,
        """
        create deployment web --image=nginx --replicas=2 --port=80 --dry-run=client -o yaml
        create deployment web --image=nginx
        create deployment web --image=nginx
        create deployment other
        create configmap settings --from-literal=a=b --from-literal=c=d
        create configmap files --from-file=examples
        create configmap bad --from-literal=a~b=c
        create configmap bad --from-literal=..a=c
        create configmap bad --from-literal=.=c
        create secret generic bad --from-literal=..=c
        create configmap good --from-literal=a..b=c --dry-run=client -o yaml
        create secret generic s --from-literal=k=v -o yaml --dry-run=client
        create secret generic s --from-literal=k=v
        create secret docker-registry d --docker-username=u --docker-password=p --dry-run=client -o yaml
        create service clusterip one --tcp=80:8080
        create service nodeport two --tcp=80 --dry-run=client -o yaml
        create service loadbalancer three --tcp=80
        create service externalname four --external-name example.org
        create serviceaccount robot
        create job once --image=busybox --dry-run=client -o yaml -- date
        create namespace a b
        create role reader --verb=get,list --resource=pods,deployments -o yaml --dry-run=client
        create rolebinding read --role=reader --user=jane -o yaml --dry-run=client
        create ingress in --rule=x.org/a*=web:80,tls=cert -o yaml --dry-run=client
        create quota q --hard=pods=2 -o yaml --dry-run=client
        create configmap hashed --from-literal=a=b --append-hash -o name --dry-run=client
        create nothing
        create -f examples/run-my-nginx.yaml
        create -f examples/run-my-nginx.yaml
        create -f /nowhere
        run one --image=nginx
        run one --image=nginx
        run two --image=nginx --port=80 --env=A=b --labels=x=y --dry-run=client -o yaml
        run three
        expose deployment web --port=80 --overrides={"metadata":{"name":"x"}} --dry-run=client -o yaml
        expose deployment web --port=80 --override-type=strategic --overrides={"spec":{"ports":[{"port":81}]}}
        get service web -o jsonpath={.spec.ports[*].port}
        delete service web
        expose deployment web --port=80 --name=web-np --type=NodePort --dry-run=client -o yaml
        delete configmap settings nope
        delete secret s -o name
        delete serviceaccount robot --dry-run=client
        delete pods
        delete pod nope --ignore-not-found
        delete -f examples/run-my-nginx.yaml
        """,
    )


def test_manifests(both: Both) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  selector: {x: 'y'}\n  ports:\n"
    both.same("apply", "-f", "-", stdin=service + "  - {name: one, port: 80}\n  - {name: two, port: 81}\n")
    both.same("apply", "-f", "-", stdin=service + "  - {name: two, port: 81}\n  - {name: one, port: 82}\n")
    both.same("get", "svc", "a", "-o", "jsonpath={.spec.ports}")
    both.same("apply", "-f", "-", stdin=service + "  - {name: two, port: 81}\n")
    both.same("get", "svc", "a", "-o", "yaml")
    several = service + "  - {port: 80}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"
    both.same("apply", "-f", "-", stdin=several)
    for bad in (
        "apiVersion: v1\nkind: Service\nmetadata: {name: c}\nspec: {ports: [{port: 99999}]}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: 1}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nextra: 1\n",
        "apiVersion: v1\nkind: Nonsense\nmetadata: {name: c}\n",
        "apiVersion: v1\nmetadata: {name: c}\n",
        "kind: ConfigMap\nmetadata: {name: c}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: default}\n",
        "",
    ):
        both.same("apply", "-f", "-", stdin=bad)
        both.same("create", "-f", "-", stdin=bad)
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: "
    for good in (
        "{<<: [{a: b, c: d}, {a: e}], a: f}\n",
        "!!set {a: !!str 5, yes: !!binary aGVsbG8=, 1e3: !local x}\n",
        "{a: !!omap [b: 1], c: !!timestamp 2001-01-01, d: 1e400, e: 99999999999999999999}\n",
    ):
        both.same("create", "--dry-run=client", "-o", "yaml", "-f", "-", stdin=head + good)
    both.same("apply", "--server-side", "-f", "-", stdin=several)
    for flags in (
        "--force",
        "--force --cascade=orphan --timeout=20s --wait",
        "--force --grace-period=0 -o name",
        "--force --cascade=nonsense",
        "--subresource=nonsense",
        "--subresource=status",
    ):
        both.same("replace", *flags.split(), "-f", "-", stdin=several)


READ = """
    get pods
    get pods -o wide
    get pods -o yaml
    get pods -o json
    get pods -o name
    get pods,svc
    get all
    get all -A
    get deploy --show-labels
    get pods -L run,nothing
    get pods --no-headers
    get deployments.apps,rs.v1.apps
    get nodes -o wide
    get nodes -o yaml
    get svc my-nginx -o yaml
    get endpointslices
    get events
    get ns
    get pod nope
    get nothing
    get pods,nothing
    get daemonsets
    get pods -n nowhere
    get pods --sort-by=.metadata.name
    get pods --field-selector=status.phase=Running
    get pods -l ==
    get -f examples/run-my-nginx.yaml
    get --raw /version
    get pods --nonsense
    get pods -z
    get
    nonsense
    get pods -o jsonpath={.items[*].metadata.name}
    get pods -o jsonpath={range~.items[*]}{.metadata.name}{"\\t"}{.status.podIP}{"\\n"}{end}
    get pods -o jsonpath={.items[?(@.status.phase=="Running")].spec.nodeName}
    get pods -o jsonpath={..image}
    get pods -o jsonpath={.items[0].metadata.labels['run']}
    get pods -o jsonpath={.items[-1:].status.podIP}
    get pods -o jsonpath={.items[0].spec.containers}
    get pods -o jsonpath-as-json={.items[*].metadata.labels}
    get pods -o jsonpath={.unfinished
    get pods -o custom-columns=NAME:.metadata.name,IP:.status.podIP,L:.metadata.labels,N:.nothing
    describe svc my-nginx
    describe pods -l run=my-nginx
    describe deployment my-nginx
    describe rs
    describe endpoints my-nginx
    describe endpointslices
    describe node node1
    describe namespace default
    describe serviceaccount default
    describe configmap kube-root-ca.crt
    describe leases -A
    describe pod nope
    describe pods my-ngin
    api-resources
    api-resources -o wide
    api-versions
    cluster-info
    explain svc.spec.clusterIP
    explain deployment.spec.template --recursive
    explain pod.spec.nothing
    config view
    config get-contexts
    config current-context
    config use-context nothing
    rollout status deployment/my-nginx
    rollout history deployment/my-nginx
    wait --for=jsonpath={.status.readyReplicas}=2 deployment/my-nginx
    wait --for=condition=nothing deployment/my-nginx --timeout=1s
    wait --for=nonsense deployment/my-nginx
    logs deployment/my-nginx --tail=3
    logs nope
    exec nope -- true
    exec deploy/my-nginx -- sh -c exit~3
    exec deploy/my-nginx
    exec deploy/my-nginx true
    exec deploy/my-nginx -- no-such-command
    get pods -o go-template --template {{range~.items}}{{.metadata.name}}{{"~"}}{{end}}
    get svc my-nginx -o go-template={{(index~.spec.ports~0).port}}{{with~.spec}}{{.clusterIP}}{{end}}
    get svc my-nginx --template={{.nope.deeper}}
    get svc my-nginx -o jsonpath={.spec.ports[5]}
    get svc my-nginx -o YAML
    get svc my-nginx -o jsonpath-file=/nowhere
    get pods --chunk-size=1
    get svc --server-print=false
    get pods --subresource=status
    get --raw /version pods
    get pods,
    get pods --request-timeout=soon
    get pods --kubeconfig=/nowhere
    delete --all
    delete pods --all -l a=b
    logs deploy/my-nginx --since=-1s
    exec deploy/my-nginx --pod-running-timeout=0s -- true
    auth can-i create pods
    auth can-i list nothing
    auth can-i --list
    auth whoami
    top pods
    config view -o jsonpath={.current-context}
    config get-users
    explain deployments --api-version=apps/v1
"""


READ_LINES = READ.strip().splitlines()


@pytest.mark.parametrize("part", range(3))
def test_looking_at_the_same_objects(both: Both, part: int) -> None:
    """Byte for byte, but for ages."""
    cluster = both.cluster
    cluster.kubectl(
        "apply", "-f", "examples/run-my-nginx.yaml", "-f", "examples/nginx-svc.yaml", namespace=both.stock
    )
    cluster.kubectl("rollout", "status", "deployment/my-nginx", namespace=both.stock)
    failures = []
    for line in READ_LINES[part::3]:
        words = [
            word.replace("\\t", "\t").replace("\\n", "\n") if "range" in word else word
            for word in _words(line)
        ]
        where = [] if "-n" in words or len(words) == 1 else ["-n", both.stock]
        give_up = time.monotonic() + 30
        for attempt in itertools.count():
            stock = _unversioned(run([cluster.kubectl_path, *where, *words], env=cluster.env, ok=False))
            ours = run([*OURS, *where, *words], env=cluster.env, ok=False)
            if ours == stock or (attempt > 1 and _ageless(ours) == _ageless(stock)):
                break
            if time.monotonic() > give_up:  # until then the one or the other has changed in between
                failures.append(f"kubectl {line.strip()}:\n{ours}\n{stock}")
                break
    assert not failures, "\n\n".join(failures)


def _ageless(done: Done) -> Done:
    """Without ages: on a slow machine two of them are never the same."""
    return Done(done.code, *(re.sub(r"\b(\d+[dhms])+\b *", "AGE ", t) for t in (done.out, done.err)))


def _unversioned(done: Done) -> Done:
    """Without the name of the program that was run, and its hints at commands that ours lacks."""
    err = re.sub(r"\bkubectl\.1\.\d+", "kubectl", done.err)
    return Done(done.code, done.out, re.sub(r"\n\nDid you mean this\?\n(\t.*\n)+", "\n", err))


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


def test_contexts(both: Both, tmp_path: Path) -> None:
    copies = {name: tmp_path / name for name in ("ours", "stock")}
    for copy in copies.values():
        shutil.copy(both.cluster.home / ".kube" / "config", copy)
    for line in (
        "config set-context other --namespace=kube-system --cluster=x --user=y",
        "config get-contexts",
        "config use-context other",
        "config current-context",
        "config set-context --current --namespace=default",
        "config view --minify",
        "config delete-context other",
        "config get-contexts -o name",
        "config set-cluster made --server=https://127.0.0.1:1",
        "config set-credentials made --token=secret",
        "config set-credentials made --username=a --password=b",
        "config set-context made --cluster=made --user=made",
        "config rename-context made again",
        "config rename-context nothing more",
        "config set clusters.made.server https://127.0.0.1:2",
        "config unset contexts.again.user",
        "config view",
        "config delete-user made",
        "config delete-cluster made",
        "config delete-cluster made",
    ):
        done = {
            name: run(
                [*program, *line.split()], env={**both.cluster.env, "KUBECONFIG": str(copies[name])}, ok=False
            )
            for name, program in (("ours", OURS), ("stock", [both.cluster.kubectl_path]))
        }
        stock = done["stock"]
        renamed = Done(
            stock.code,
            *(t.replace(str(copies["stock"]), str(copies["ours"])) for t in (stock.out, stock.err)),
        )
        assert done["ours"] == renamed, line


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
