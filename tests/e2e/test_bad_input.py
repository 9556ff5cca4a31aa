"""What kubectl shows when a manifest is wrong: the field, the value and the reason."""

from __future__ import annotations

import re

import pytest

from tests.e2e.harness import Namespace, eventually
from tests.e2e.manifests import DEPLOYMENT, SERVICE


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("image: nginx", "imag: nginx", r'unknown field "spec\.template\.spec\.containers\[0\]\.imag"'),
        (
            "replicas: 2",
            "replicas: many",
            r"cannot unmarshal string into Go (value|struct field \S+) of type int32",
        ),
        (
            "metadata: {labels: {app: web}}",
            "metadata: {labels: {app: other}}",
            r'spec\.template\.metadata\.labels: Invalid value: .*"app":\s*"other".*`selector` does not match '
            r"template `labels`",
        ),
        (
            "containerPort: 80",
            "containerPort: 80000",
            r"spec\.template\.spec\.containers\[0\]\.ports\[0\]\.containerPort: Invalid value: 80000: "
            r"must be between 1 and 65535, inclusive",
        ),
        (
            "{name: web}",
            "{name: Web_1}",
            r'metadata\.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain',
        ),
        ("image: nginx", "image: ''", r"spec\.template\.spec\.containers\[0\]\.image: Required value"),
    ],
)
def test_a_wrong_deployment(namespace: Namespace, right: str, wrong: str, message: str) -> None:
    refused = namespace.apply(DEPLOYMENT.replace(right, wrong), ok=False)
    assert refused.code == 1
    assert re.search(message, refused.err), refused.err
    assert namespace.json("deployments")["items"] == []


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "port: 80",
            "port: 70000",
            r"spec\.ports\[0\]\.port: Invalid value: 70000: must be between 1 and 65535",
        ),
        ("ports: [{port: 80}]", "ports: []", r"spec\.ports: Required value"),
        (
            "name: web",
            "name: 1web",
            r'metadata\.name: Invalid value: "1web": a DNS-1035 label must consist',
        ),
        (
            "ports: [{port: 80}]",
            "type: NodePort, ports: [{port: 80, nodePort: 80}]",
            r"spec\.ports\[0\]\.nodePort: Invalid value: 80: provided port is not in the valid range. "
            r"The range of valid ports is 30000-32767",
        ),
        (
            "ports: [{port: 80}]",
            "clusterIP: 10.1.2.3, ports: [{port: 80}]",
            r"spec\.clusterIPs: Invalid value: \[\"10\.1\.2\.3\"\]: failed to allocate IP 10\.1\.2\.3: "
            r"the provided (IP|network) .*not in the valid range",
        ),
        (
            "spec: {",
            "spec: {type: Nonsense, ",
            r'spec\.type: Unsupported value: "Nonsense": supported values: ',
        ),
    ],
)
def test_a_wrong_service(namespace: Namespace, right: str, wrong: str, message: str) -> None:
    refused = namespace.apply(SERVICE.replace(right, wrong), ok=False)
    assert refused.code == 1
    assert re.search(message, refused.err), refused.err


def test_an_address_that_is_taken(namespace: Namespace) -> None:
    namespace.apply(SERVICE)
    ip = namespace.json("svc", "web")["spec"]["clusterIP"]
    second = SERVICE.replace("name: web", "name: second")
    refused = namespace.apply(second.replace("ports: [", f"clusterIP: {ip}, ports: ["), ok=False)
    assert refused.code == 1
    assert f"failed to allocate IP {ip}: provided IP is already allocated" in refused.err


def test_a_node_port_that_is_taken(namespace: Namespace) -> None:
    node_port = SERVICE.replace("ports: [{port: 80}]", "type: NodePort, ports: [{port: 80, nodePort: 31999}]")
    namespace.apply(node_port)
    refused = namespace.apply(node_port.replace("name: web", "name: second"), ok=False)
    assert refused.code == 1
    assert re.search(
        r"spec\.ports\[0\]\.nodePort: Invalid value: 31999: provided port is already allocated", refused.err
    )


def test_an_image_nobody_knows(namespace: Namespace) -> None:
    namespace.kubectl("create", "deployment", "web", "--image=no-such-image:1.0")
    rows = eventually(
        lambda: re.findall(r"(ErrImagePull|ImagePullBackOff)", namespace.kubectl("get", "pods").out)
    )
    assert rows

    def explained() -> bool:
        events = namespace.kubectl("describe", "pods").out
        return 'Failed to pull image "no-such-image:1.0"' in events and "busybox" in events

    eventually(explained)


def test_what_does_not_exist(namespace: Namespace) -> None:
    for words, message in [
        (("get", "pod", "nobody"), 'Error from server (NotFound): pods "nobody" not found\n'),
        (("delete", "svc", "nobody"), 'Error from server (NotFound): services "nobody" not found\n'),
        (("get", "nonsense"), 'error: the server doesn\'t have a resource type "nonsense"\n'),
    ]:
        done = namespace.kubectl(*words, ok=False)
        assert (done.code, done.err) == (1, message)
    missing = namespace.cluster.kubectl("create", "configmap", "c", namespace="no-such-namespace", ok=False)
    assert missing.code == 1
    assert 'namespaces "no-such-namespace" not found' in missing.err


def test_a_selector_that_cannot_be_read(namespace: Namespace) -> None:
    refused = namespace.kubectl("get", "pods", "--field-selector", "spec.nonsense=1", ok=False)
    assert refused.code == 1
    assert "field label not supported: spec.nonsense" in refused.err
