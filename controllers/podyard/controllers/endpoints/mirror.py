"""From hand-made Endpoints to the endpoints of EndpointSlices. Pure.

Source: k8s.io/kubernetes pkg/controller/endpointslicemirroring.
"""

from __future__ import annotations

from podyard.controllers.endpoints.pods import Ports, address_type
from podyard.controllers.endpoints.slices import MANAGED_BY, SERVICE_NAME, TRIGGER_TIME, Template
from podyard.controllers.meta import Object, annotations_of, controller_reference, labels_of

CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"

LIMIT = 1000
"""How many addresses of a subset are mirrored (--mirroring-max-endpoints-per-subset)."""

_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", TRIGGER_TIME)


def is_mirrored(endpoints: Object, service: Object | None) -> bool:
    """Whether slices are to be made from this object: it belongs to a Service without a selector."""
    if service is None or service["spec"].get("selector"):
        return False
    return labels_of(endpoints).get(SKIP_MIRROR) != "true" and _LEADER not in annotations_of(endpoints)


def template_of(endpoints: Object) -> Template:
    """What its slices have in common."""
    metadata = endpoints["metadata"]
    labels = {k: v for k, v in labels_of(endpoints).items() if k != SKIP_MIRROR}
    return Template(
        namespace=metadata["namespace"],
        generate_name=f"{metadata['name']}-",
        labels={**labels, SERVICE_NAME: metadata["name"], MANAGED_BY: CONTROLLER},
        owner=controller_reference(endpoints),
        annotations={k: v for k, v in annotations_of(endpoints).items() if k not in _NOT_COPIED},
        trigger_time=annotations_of(endpoints).get(TRIGGER_TIME, ""),
    )


def groups_of(endpoints: Object) -> dict[tuple[str, Ports], list[Object]]:
    """Its addresses by what one slice can hold."""
    groups: dict[tuple[str, Ports], list[Object]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = tuple(
            (p.get("name", ""), p.get("protocol", "TCP"), p.get("port"), p.get("appProtocol", ""))
            for p in subset.get("ports") or ()
        )
        addresses = [(address, True) for address in subset.get("addresses") or ()]
        addresses += [(address, False) for address in subset.get("notReadyAddresses") or ()]
        for address, ready in addresses[:LIMIT]:
            group = groups.setdefault((address_type(address["ip"]), ports), [])
            group.append(_endpoint(address, ready))
    return groups


def _endpoint(address: Object, ready: bool) -> Object:
    endpoint: Object = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    for key in ("targetRef", "nodeName", "hostname"):
        if address.get(key):
            endpoint[key] = address[key]
    return endpoint
