"""kubectl's commands on objects, and every kubectl on the machine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.harness import Namespace, eventually, run
from tests.e2e.manifests import SERVICE


@pytest.fixture
def service(namespace: Namespace) -> Namespace:
    """A namespace that holds the Service web."""
    namespace.apply(SERVICE)
    return namespace


def test_label_and_annotate(service: Namespace) -> None:
    assert service.kubectl("label", "svc", "web", "tier=front").out == "service/web labeled\n"
    assert service.kubectl("annotate", "svc", "web", "note=one two").out == "service/web annotated\n"
    metadata = service.json("svc", "web")["metadata"]
    assert metadata["labels"] == {"app": "web", "tier": "front"}
    assert metadata["annotations"]["note"] == "one two"
    service.kubectl("label", "svc", "web", "tier-")
    assert service.json("svc", "web")["metadata"]["labels"] == {"app": "web"}
    refused = service.kubectl("label", "svc", "web", "app=other", ok=False)
    assert refused.code == 1
    assert "--overwrite is false" in refused.err


@pytest.mark.parametrize(
    ("kind", "patch", "expected"),
    [
        ("merge", {"spec": {"selector": {"tier": "x"}}}, {"app": "web", "tier": "x"}),
        ("strategic", {"spec": {"selector": {"app": None, "tier": "y"}}}, {"tier": "y"}),
        ("json", [{"op": "replace", "path": "/spec/selector/app", "value": "z"}], {"app": "z"}),
    ],
)
def test_patch(service: Namespace, kind: str, patch: object, expected: dict[str, str]) -> None:
    assert service.kubectl("patch", "svc", "web", f"--type={kind}", "-p", json.dumps(patch)).out == (
        "service/web patched\n"
    )
    assert service.json("svc", "web")["spec"]["selector"] == expected


def test_a_strategic_patch_merges_ports_by_their_number(service: Namespace) -> None:
    patch = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}]}}
    service.kubectl("patch", "svc", "web", "-p", json.dumps(patch))
    ports = service.json("svc", "web")["spec"]["ports"]
    assert [(p["name"], p["port"]) for p in ports] == [("http", 80), ("https", 443)]


def test_edit_with_any_editor(service: Namespace, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/port: 80$/port: 8080/' \"$1\"\n")
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    service.cluster.env["KUBE_EDITOR"] = str(editor)
    try:
        assert service.kubectl("edit", "svc", "web").out == "service/web edited\n"
    finally:
        del service.cluster.env["KUBE_EDITOR"]
    assert service.json("svc", "web")["spec"]["ports"][0]["port"] == 8080


def test_replace_and_conflict(service: Namespace) -> None:
    found = service.json("svc", "web")
    found["metadata"]["labels"]["replaced"] = "yes"
    service.kubectl("replace", "-f", "-", stdin=json.dumps(found))
    assert service.json("svc", "web")["metadata"]["labels"]["replaced"] == "yes"
    stale = service.kubectl("replace", "-f", "-", stdin=json.dumps(found), ok=False)
    assert stale.code == 1
    assert "the object has been modified" in stale.err


def test_wait_sees_a_condition(namespace: Namespace) -> None:
    namespace.kubectl("create", "deployment", "web", "--image=nginx", "--port=80")
    waited = namespace.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    assert waited.out == "deployment.apps/web condition met\n"


def test_apply_again_changes_only_what_changed(service: Namespace) -> None:
    assert service.apply(SERVICE).out == "service/web unchanged\n"
    assert service.apply(SERVICE.replace("port: 80", "port: 81")).out == "service/web configured\n"
    after = service.json("svc", "web")["spec"]
    assert [p["port"] for p in after["ports"]] == [81]


def test_dry_run_stores_nothing(namespace: Namespace) -> None:
    done = namespace.kubectl(
        "create", "configmap", "c", "--from-literal=a=b", "--dry-run=server", "-o", "json"
    )
    assert json.loads(done.out)["metadata"]["uid"]
    assert namespace.kubectl("get", "configmap", "c", ok=False).code == 1


def test_explain(service: Namespace) -> None:
    text = service.kubectl("explain", "svc.spec.clusterIP").out
    assert "FIELD: clusterIP <string>" in text
    assert "clusterIP is the IP address of the service" in text
    assert "progressDeadlineSeconds" in service.kubectl("explain", "deployment", "--recursive").out


def test_pages_and_selectors(namespace: Namespace) -> None:
    documents = [
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}, labels: {{number: '{n}'}}}}\n"
        for n in range(7)
    ]
    namespace.apply("---\n".join(documents))
    listed = namespace.kubectl("get", "configmaps", "-o", "name", "--chunk-size=2", "-l", "number")
    assert listed.out.splitlines() == [f"configmap/c{n}" for n in range(7)]
    some = namespace.kubectl("get", "configmaps", "-o", "name", "-l", "number in (1,2),number!=2")
    assert some.out == "configmap/c1\n"
    one = namespace.kubectl("get", "configmaps", "-o", "name", "--field-selector", "metadata.name=c3")
    assert one.out == "configmap/c3\n"


def test_a_namespace_takes_its_contents_along(namespace: Namespace) -> None:
    cluster, name = namespace.cluster, f"{namespace.name}-more"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("create", "configmap", "c", "--from-literal=a=b", namespace=name)
    cluster.kubectl("create", "deployment", "d", "--image=nginx", namespace=name)
    cluster.kubectl("delete", "namespace", name, "--timeout=50s")
    gone = cluster.kubectl("get", "configmap", "c", ok=False, namespace=name)
    assert gone.code == 1
    assert "not found" in gone.err


def test_owners_take_their_dependents_along_or_leave_them(namespace: Namespace) -> None:
    namespace.kubectl("create", "deployment", "kept", "--image=nginx")
    namespace.rolled_out("kept")
    namespace.kubectl("delete", "deployment", "kept", "--cascade=orphan")
    replicasets = eventually(lambda: namespace.json("rs", "-l", "app=kept")["items"])
    eventually(
        lambda: not namespace.json("rs", "-l", "app=kept")["items"][0]["metadata"].get("ownerReferences")
    )
    name = replicasets[0]["metadata"]["name"]
    namespace.kubectl("delete", "rs", name, "--cascade=foreground", "--timeout=40s")
    assert namespace.pods("app=kept") == []


@pytest.mark.parametrize("version", [f"1.{minor}" for minor in range(27, 34)])
def test_each_kubectl_does_the_ordinary_things(namespace: Namespace, version: str) -> None:
    found = tools.kubectls().get((1, int(version[2:])))
    if found is None:
        pytest.skip(f"no kubectl {version} on this machine; the newest one has passed the other tests")
    env = {**os.environ, "HOME": str(namespace.cluster.home)}

    def kubectl(*words: str, stdin: str = "") -> str:
        return run([found, "-n", namespace.name, *words], env=env, stdin=stdin).out

    kubectl("apply", "-f", "-", stdin=SERVICE)
    assert "web" in kubectl("get", "svc")
    kubectl("create", "deployment", "web", "--image=nginx", "--port=80")
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert "1/1" in kubectl("get", "deployment,pods")
    kubectl("set", "env", "deployment/web", "A=b")
    kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert "DESCRIPTION" in kubectl("explain", "service.spec")
    assert "Selector:" in kubectl("describe", "svc", "web")
    kubectl("delete", "deployment,svc", "web")
