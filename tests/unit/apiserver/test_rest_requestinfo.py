"""What a request asks for, by its method and path."""

from __future__ import annotations

import pytest

from podyard.api.errors import StatusError
from podyard.apiserver.requestinfo import resolve


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", ("list", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/ns/pods", ("list", "pods", "ns", "", "")),
        ("HEAD", "/api/v1/namespaces/ns/pods/p", ("get", "pods", "ns", "p", "")),
        ("GET", "/api/v1/namespaces/ns/pods/p/log", ("get", "pods", "ns", "p", "log")),
        ("POST", "/api/v1/namespaces/ns/pods/p/exec", ("create", "pods", "ns", "p", "exec")),
        ("POST", "/api/v1/namespaces/ns/pods/p/binding", ("create", "pods", "ns", "p", "binding")),
        ("DELETE", "/api/v1/namespaces/ns/pods", ("deletecollection", "pods", "ns", "", "")),
        ("GET", "/api/v1/namespaces", ("list", "namespaces", "", "", "")),
        ("DELETE", "/api/v1/namespaces/ns", ("delete", "namespaces", "", "ns", "")),
        ("PUT", "/api/v1/namespaces/ns/finalize", ("update", "namespaces", "", "ns", "finalize")),
        ("PATCH", "/api/v1/namespaces/ns/status", ("patch", "namespaces", "", "ns", "status")),
        ("GET", "/api/v1/nodes/n/", ("get", "nodes", "", "n", "")),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/ns/deployments/d/scale",
            ("patch", "deployments", "ns", "d", "scale"),
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            ("create", "selfsubjectaccessreviews", "", "", ""),
        ),
    ],
)
def test_resource_paths(method: str, path: str, expected: tuple[str, ...]) -> None:
    info = resolve(method, path)
    assert info.resource is not None
    assert (info.verb, info.resource.plural, info.namespace, info.name, info.subresource) == expected


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version"])
def test_other_paths(path: str) -> None:
    info = resolve("GET", path)
    assert info.resource is None
    assert info.verb == "get"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nothings", 404),
        ("GET", "/apis/apps/v2/deployments", 404),
        ("GET", "/api/v1/namespaces/ns/nodes", 404),
        ("GET", "/api/v1/pods/p", 404),
        ("GET", "/api/v1/namespaces/ns/pods/p/scale", 404),
        ("GET", "/api/v1/namespaces/ns/pods/p/log/more", 404),
        ("POST", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/pods", 405),
        ("POST", "/api/v1/namespaces/ns/pods/p", 405),
        ("PUT", "/api/v1/namespaces/ns/pods", 405),
        ("DELETE", "/api/v1/namespaces/ns/pods/p/status", 405),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
        ("OPTIONS", "/api/v1/nodes", 405),
    ],
)
def test_refused(method: str, path: str, code: int) -> None:
    with pytest.raises(StatusError) as refused:
        resolve(method, path)
    assert refused.value.code == code
    if code == 404:
        assert refused.value.message == "the server could not find the requested resource"
