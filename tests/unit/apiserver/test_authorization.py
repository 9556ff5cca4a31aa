"""Who may do what: components, nodes, hosts that are to become one."""

from __future__ import annotations

import orjson
import pytest

from podyard.apiserver.authorization.cluster import ClusterAuthorizer
from podyard.apiserver.authz import Attributes
from podyard.apiserver.cacher.selection import Entry
from podyard.apiserver.registry import Stored, User

NODE1 = User("system:node:node1", ("system:nodes", "system:authenticated"))
MASTER = User("kubernetes-admin", ("system:masters",))
NAMELESS = User("someone", ("system:nodes",))
JOINING = User("system:bootstrap:abcdef", ("system:bootstrappers", "system:authenticated"))
PROXY = User("system:kube-proxy", ("system:authenticated",))
DNS = User("system:coredns", ("system:authenticated",))
CONTROLLERS = User("system:kube-controller-manager", ("system:authenticated",))
ROBOT = User("system:serviceaccount:ns:robot", ("system:serviceaccounts", "system:authenticated"))
NOBODY = User("system:anonymous", ("system:unauthenticated",))

POD = {
    "metadata": {"name": "p", "namespace": "ns"},
    "spec": {
        "nodeName": "node1",
        "serviceAccountName": "robot",
        "imagePullSecrets": [{"name": "registry"}],
        "initContainers": [
            {"env": [{"valueFrom": {"secretKeyRef": {"name": "env"}}}, {"name": "A", "value": "b"}]}
        ],
        "containers": [
            {"envFrom": [{"configMapRef": {"name": "all"}}, {"secretRef": {"name": "every"}}]},
            {"env": [{"valueFrom": {"configMapKeyRef": {"name": "one"}}}]},
        ],
        "volumes": [
            {"secret": {"secretName": "vol"}},
            {"configMap": {"name": "conf"}},
            {"persistentVolumeClaim": {"claimName": "claim"}},
            {"emptyDir": {}},
            {"projected": {"sources": [{"configMap": {"name": "ca"}}, {"secret": {"name": "deep"}}]}},
        ],
    },
}


def entries(node: str) -> list[Entry]:
    pod = Stored("ns", "p", 1, orjson.dumps(POD))
    other = Stored("ns", "q", 2, orjson.dumps({"metadata": {"name": "q"}, "spec": {}}))
    return [Entry(pod if node == "node1" else other, {}, {"spec.nodeName": node})]


def ask(
    user: User,
    verb: str,
    what: str,
    name: str = "",
    namespace: str = "ns",
    group: str = "",
    **fields: str,
) -> tuple[bool, str]:
    resource, _, subresource = what.partition("/")
    selected = tuple((key.replace("_", "."), value) for key, value in fields.items())
    decision = ClusterAuthorizer(entries).authorize(
        Attributes(user, verb, group, "v1", resource, subresource, namespace, name, fields=selected)
    )
    return decision.allowed, decision.reason


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ("secrets", ["registry", "env", "every", "vol", "deep"]),
        ("configmaps", ["all", "one", "conf", "ca"]),
        ("persistentvolumeclaims", ["claim"]),
        ("pods", ["p"]),
    ],
)
def test_a_node_reads_what_its_pods_use(resource: str, names: list[str]) -> None:
    for name in names:
        assert ask(NODE1, "get", resource, name) == (True, "")
        nodes2 = User("system:node:node2", ("system:nodes",))
        assert ask(nodes2, "get", resource, name) == (
            False,
            "no relationship found between node 'node2' and this object",
        )
        assert not ask(NODE1, "get", resource, name, namespace="other")[0]


@pytest.mark.parametrize(
    ("verb", "what", "more", "why"),
    [
        ("list", "secrets", {}, "no object name found"),
        ("update", "secrets", {"name": "vol"}, "can only read resources of this type"),
        ("get", "persistentvolumeclaims/status", {"name": "claim"}, "cannot read subresource"),
        ("get", "secrets", {"namespace": ""}, "can only read namespaced object of this type"),
        ("create", "serviceaccounts", {}, "can only create tokens for individual service accounts"),
        (
            "create",
            "serviceaccounts",
            {"name": "robot"},
            "can only create token subresource of service account",
        ),
        (
            "create",
            "serviceaccounts/token",
            {"name": "other"},
            "no relationship found between node 'node1' and this object",
        ),
        ("list", "pods", {}, "can only list/watch pods with spec.nodeName field selector"),
        (
            "watch",
            "pods",
            {"spec_nodeName": "node2"},
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (
            "get",
            "leases",
            {"group": "coordination.k8s.io", "name": "node1"},
            'can only access leases in the "kube-node-lease" system namespace',
        ),
        (
            "update",
            "leases",
            {"group": "coordination.k8s.io", "name": "node2", "namespace": "kube-node-lease"},
            "can only access node lease with the same name as the requesting node",
        ),
        (
            "list",
            "leases",
            {"group": "coordination.k8s.io", "namespace": "kube-node-lease"},
            "can only get, create, update, patch, or delete a node lease",
        ),
        ("create", "pods", {}, ""),
        ("create", "pods/exec", {"name": "p"}, ""),
        ("get", "pods/log", {"name": "p"}, ""),
        ("delete", "nodes", {"name": "node1"}, ""),
        ("create", "services", {}, ""),
        ("impersonate", "users", {"name": "kubernetes-admin"}, ""),
        ("update", "certificatesigningrequests/approval", {"group": "certificates.k8s.io"}, ""),
        ("list", "deployments", {"group": "apps"}, ""),
    ],
)
def test_what_a_node_may_not(verb: str, what: str, more: dict[str, str], why: str) -> None:
    assert ask(NODE1, verb, what, **more) == (False, why)


@pytest.mark.parametrize(
    ("verb", "what", "more"),
    [
        ("create", "serviceaccounts/token", {"name": "robot"}),
        ("list", "pods", {"spec_nodeName": "node1"}),
        ("watch", "pods", {"namespace": "", "spec_nodeName": "node1"}),
        ("delete", "pods", {"name": "p"}),
        ("patch", "pods/status", {"name": "p"}),
        ("create", "nodes", {"namespace": ""}),
        ("patch", "nodes/status", {"name": "node1"}),
        ("watch", "nodes", {"name": "node1"}),
        ("list", "nodes", {"namespace": ""}),
        ("get", "nodes", {"name": "node2"}),
        ("list", "services", {"namespace": ""}),
        ("watch", "endpointslices", {"namespace": "", "group": "discovery.k8s.io"}),
        ("create", "events", {}),
        ("create", "certificatesigningrequests", {"group": "certificates.k8s.io"}),
        ("get", "configmaps", {"name": "podyard-config", "namespace": "kube-system"}),
        (
            "patch",
            "leases",
            {"group": "coordination.k8s.io", "name": "node1", "namespace": "kube-node-lease"},
        ),
    ],
)
def test_what_a_node_may(verb: str, what: str, more: dict[str, str]) -> None:
    assert ask(NODE1, verb, what, **more) == (True, "")


@pytest.mark.parametrize(
    ("user", "verb", "what", "more", "allowed"),
    [
        (MASTER, "delete", "nodes", {}, True),
        (ROBOT, "delete", "nodes", {}, True),
        (NAMELESS, "get", "services", {}, False),
        (JOINING, "create", "certificatesigningrequests", {"group": "certificates.k8s.io"}, True),
        (JOINING, "get", "nodes", {"name": "node1"}, True),
        (JOINING, "list", "nodes", {}, False),
        (JOINING, "get", "configmaps", {"name": "podyard-config", "namespace": "kube-system"}, True),
        (JOINING, "get", "configmaps", {"name": "other", "namespace": "kube-system"}, False),
        (JOINING, "get", "configmaps", {"name": "podyard-config"}, False),
        (JOINING, "get", "secrets", {"name": "vol"}, False),
        (PROXY, "watch", "services", {}, True),
        (PROXY, "create", "events", {}, True),
        (PROXY, "list", "secrets", {}, False),
        (PROXY, "update", "services", {}, False),
        (DNS, "list", "endpointslices", {"group": "discovery.k8s.io"}, True),
        (DNS, "create", "services", {"namespace": "kube-system"}, True),
        (DNS, "create", "services", {}, False),
        (CONTROLLERS, "deletecollection", "deployments", {"group": "apps"}, True),
        (CONTROLLERS, "update", "namespaces/finalize", {}, True),
        (CONTROLLERS, "create", "pods/binding", {}, True),
        (CONTROLLERS, "get", "pods/exec", {}, False),
        (CONTROLLERS, "create", "pods/exec", {}, False),
        (CONTROLLERS, "impersonate", "users", {}, False),
        (CONTROLLERS, "create", "clusterrolebindings", {"group": "rbac.authorization.k8s.io"}, False),
        (NOBODY, "get", "configmaps", {"name": "cluster-info", "namespace": "kube-public"}, True),
        (NOBODY, "get", "configmaps", {"name": "other", "namespace": "kube-public"}, False),
        (NOBODY, "list", "services", {}, False),
    ],
)
def test_roles(user: User, verb: str, what: str, more: dict[str, str], allowed: bool) -> None:
    assert ask(user, verb, what, **more)[0] is allowed


@pytest.mark.parametrize(
    ("user", "path", "allowed"),
    [(NOBODY, "/version", True), (NOBODY, "/apis", False), (PROXY, "/apis/apps/v1", True),
     (NODE1, "/metrics", False), (MASTER, "/metrics", True)],
)  # fmt: skip
def test_paths(user: User, path: str, allowed: bool) -> None:
    assert ClusterAuthorizer(entries).authorize(Attributes(user, "get", path=path)).allowed is allowed


def test_the_rules_of_a_user() -> None:
    authorizer = ClusterAuthorizer(entries)
    assert authorizer.rules(MASTER, "ns")["resourceRules"][0]["resources"] == ["*"]
    assert authorizer.rules(NODE1, "ns")["incomplete"] is True
    dns = authorizer.rules(DNS, "ns")["resourceRules"]
    assert {"verbs": ["get", "list", "watch"], "apiGroups": [""],
            "resources": ["endpoints", "services", "pods", "namespaces"]} in dns  # fmt: skip
    assert not any("create" in r["verbs"] and "services" in r["resources"] for r in dns)
