"""From an Accept header to the form of the answer."""

from __future__ import annotations

import pytest

from podyard.api.errors import StatusError
from podyard.apiserver.negotiate import Accepted, Shape, negotiate

ALL: frozenset[Shape] = frozenset(("table", "partial", "partiallist", "discovery"))
KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,"
    "application/json"
)
KUBECTL_1_27_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,*/*"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/json", Accepted()),
        ("text/html, application/*;q=0.8", Accepted()),
        ("application/yaml", Accepted("yaml")),
        (KUBECTL_GET, Accepted("json", "table", "v1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Accepted()),
        (
            "application/json; as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Accepted("json", "partiallist", "v1"),
        ),
        ("application/vnd.kubernetes.protobuf,application/json", Accepted()),
        (KUBECTL_1_27_DISCOVERY, Accepted("json", "discovery", "v2beta1")),
    ],
)
def test_chosen(accept: str, expected: Accepted) -> None:
    assert negotiate(accept, ALL) == expected


def test_a_shape_that_is_not_on_offer_is_passed_over() -> None:
    assert negotiate(KUBECTL_GET, frozenset()) == Accepted()


@pytest.mark.parametrize(
    "accept",
    ["application/vnd.kubernetes.protobuf", "text/html", "application/json;as=Table;v=v9;g=meta.k8s.io"],
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(StatusError) as refused:
        negotiate(accept, ALL)
    assert refused.value.code == 406
