"""`podyard kubectl` beside the stock kubectl: the same commands, the same output and exit status.

What streams (exec, attach, run, logs, cp, port-forward, proxy) is in test_streams.py; what ours alone is
asked, in test_builtin_kubectl_alone.py.
"""

from __future__ import annotations

import itertools
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.both import OURS, Both
from tests.e2e.harness import Done, run


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
