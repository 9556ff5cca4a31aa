"""Services, new and changed."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import RANGE, Refused, RefusedUpdate

IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NO_ADDRESS = {"clusterIP": None, "clusterIPs": None, "ipFamilies": None, "ipFamilyPolicy": None}
HEADLESS = {"clusterIP": "None", "clusterIPs": ["None"]}
EXTERNAL = {**NO_ADDRESS, "type": "ExternalName", "externalName": "example.com", "ports": None}
DUAL = {
    "clusterIPs": ["127.96.0.9", "fd00::9"],
    "ipFamilies": ["IPv4", "IPv6"],
    "ipFamilyPolicy": "PreferDualStack",
}


def ports(*given: dict[str, Any]) -> dict[str, Any]:
    return {"ports": list(given)}


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    (HEADLESS, []),
    ({**HEADLESS, "ports": None}, []),
    (EXTERNAL, []),
    (DUAL, []),
    ({"type": "NodePort", **ports({"port": 80, "nodePort": 30080})}, []),
    ({"type": "LoadBalancer", "loadBalancerSourceRanges": ["127.0.0.0/8"]}, []),
    ({"sessionAffinity": "ClientIP"}, []),
    # podyard's own addresses are loopback addresses, so they are no harm.
    ({"externalIPs": ["127.10.0.1", "10.0.0.1"]}, []),
    ({"ports": None}, ["spec.ports: Required value"]),
    (ports({"port": 70000, "targetPort": 1}), [f"spec.ports[0].port: Invalid value: 70000: {RANGE}"]),
    (ports({"targetPort": 1}), [f"spec.ports[0].port: Invalid value: 0: {RANGE}"]),
    (
        ports({"port": 80, "targetPort": "a_b"}),
        [
            'spec.ports[0].targetPort: Invalid value: "a_b": must contain only alpha-numeric '
            "characters (a-z, "
            "0-9), and hyphens (-)"
        ],
    ),
    (
        ports({"port": 80, "protocol": "ICMP"}),
        ['spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
    ),
    (
        ports({"port": 80}, {"port": 81}),
        ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
    ),
    (
        ports({"port": 80, "name": "a"}, {"port": 81, "name": "a"}),
        ['spec.ports[1].name: Duplicate value: "a"'],
    ),
    (ports({"port": 53, "name": "a"}, {"port": 53, "name": "b", "protocol": "UDP"}), []),
    (
        ports({"port": 80, "name": "a"}, {"port": 80, "name": "b"}),
        ['spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}'],
    ),
    (
        ports({"port": 80, "nodePort": 30000}),
        ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ),
    (
        {
            "type": "NodePort",
            **ports(
                {"port": 80, "name": "a", "nodePort": 30000}, {"port": 81, "name": "b", "nodePort": 30000}
            ),
        },
        ["spec.ports[1].nodePort: Duplicate value: 30000"],
    ),
    (
        {"type": "Foo"},
        [
            'spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", '
            '"LoadBalancer", '
            '"NodePort"'
        ],
    ),
    (
        {**HEADLESS, "type": "NodePort"},
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ),
    ({"clusterIP": "1.2.3", "clusterIPs": ["1.2.3"]}, [f'spec.clusterIPs[0]: Invalid value: "1.2.3": {IP}']),
    (
        {"clusterIP": "127.96.0.8"},
        ['spec.clusterIPs: Invalid value: ["127.96.0.9"]: first value must match `clusterIP`'],
    ),
    (
        {"ipFamilies": ["IPv6"]},
        [
            'spec.clusterIPs[0]: Invalid value: "127.96.0.9": expected an IPv6 value as indicated by '
            "`ipFamilies[0]`"
        ],
    ),
    (
        {**DUAL, "clusterIPs": ["127.96.0.9", "127.96.0.8"], "ipFamilies": ["IPv4"]},
        [
            'spec.clusterIPs: Invalid value: ["127.96.0.9","127.96.0.8"]: may specify no more than '
            "one IP for "
            "each IP family"
        ],
    ),
    ({**EXTERNAL, "externalName": None}, ["spec.externalName: Required value"]),
    (
        {**EXTERNAL, "clusterIP": "127.96.0.9", "clusterIPs": ["127.96.0.9"]},
        ["spec.clusterIPs: Forbidden: may not be set for ExternalName services"],
    ),
    ({"externalIPs": ["x"]}, [f'spec.externalIPs[0]: Invalid value: "x": {IP}']),
    (
        {"externalIPs": ["0.0.0.0", "169.254.1.1"]},
        [
            'spec.externalIPs[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
            'spec.externalIPs[1]: Invalid value: "169.254.1.1": may not be in the link-local range '
            "(169.254.0.0/16, fe80::/10)",
        ],
    ),
    (
        {"sessionAffinity": "Cookie"},
        ['spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'],
    ),
    (
        {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
        [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be "
            "greater than 0 "
            "and less than 86400"
        ],
    ),
    (
        {"externalTrafficPolicy": "Local"},
        [
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible '
            "services"
        ],
    ),
    (
        {"internalTrafficPolicy": "Near"},
        ['spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"'],
    ),
    (
        {"loadBalancerClass": "example.com/lb"},
        ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ),
    (
        {"type": "LoadBalancer", "loadBalancerSourceRanges": ["127.0.0.1"]},
        [
            'spec.LoadBalancerSourceRanges[0]: Invalid value: "127.0.0.1": must be a valid CIDR value, (e.g. '
            "10.9.8.0/24 or 2001:db8::/64)"
        ],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), CASES)
def test_service(spec: dict[str, Any], expected: list[str], refused: Refused) -> None:
    assert refused("Service", {"spec": spec}) == expected


OTHER = {"clusterIP": "127.96.0.8", "clusterIPs": ["127.96.0.8"]}
UPDATES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, ports({"port": 81}), []),
    ({}, {"type": "NodePort"}, []),
    ({}, EXTERNAL, []),
    (EXTERNAL, {"type": "ClusterIP", "externalName": None, **ports({"port": 80}), **OTHER}, []),
    ({}, OTHER, ['spec.clusterIPs[0]: Invalid value: ["127.96.0.8"]: may not change once set']),
    (
        {},
        {"clusterIP": None, "clusterIPs": []},
        ["spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset"],
    ),
    ({}, HEADLESS, ['spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set']),
    ({}, DUAL, []),
    (
        DUAL,
        {"clusterIPs": ["127.96.0.9"], "ipFamilies": ["IPv4"]},
        [
            f"spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when "
            f"releasing the secondary {what}"
            for what in ("clusterIP", "ipFamily")
        ],
    ),
    (
        DUAL,
        {"clusterIPs": ["127.96.0.9"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"},
        [],
    ),
    (
        {"type": "LoadBalancer"},
        {"loadBalancerClass": "example.com/lb"},
        ['spec.loadBalancerClass: Invalid value: "example.com/lb": may not change once set'],
    ),
]


@pytest.mark.parametrize(("before", "change", "expected"), UPDATES)
def test_update(
    before: dict[str, Any], change: dict[str, Any], expected: list[str], refused_update: RefusedUpdate
) -> None:
    assert refused_update("Service", {"spec": before}, {"spec": change}) == expected


AT = "status.loadBalancer.ingress[0]"


@pytest.mark.parametrize(
    ("kind", "ingress", "expected"),
    [
        ("LoadBalancer", {"ip": "127.99.0.1", "ipMode": "VIP"}, []),
        ("LoadBalancer", {"hostname": "lb.example.com"}, []),
        (
            "NodePort",
            {"ip": "127.99.0.1"},
            ['status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "LoadBalancer"'],
        ),
        (
            "LoadBalancer",
            {"ip": "x"},
            [f'{AT}.ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
        ),
        ("LoadBalancer", {"ip": "fd00::1%eth0"}, [f'{AT}.ip: Invalid value: "fd00::1%eth0": {IP}']),
        (
            "LoadBalancer",
            {"hostname": "a", "ipMode": "VIP"},
            [f"{AT}.ipMode: Forbidden: may not be specified when `ip` is not set"],
        ),
        (
            "LoadBalancer",
            {"ip": "127.99.0.1", "ipMode": "Other"},
            [f'{AT}.ipMode: Unsupported value: "Other": supported values: "Proxy", "VIP"'],
        ),
    ],
)
def test_status(
    kind: str, ingress: dict[str, Any], expected: list[str], refused_update: RefusedUpdate
) -> None:
    spec = {"spec": {"type": kind}}
    assert refused_update("Service", spec, {"status": {"loadBalancer": {"ingress": [ingress]}}}) == expected
