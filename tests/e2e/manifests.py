"""A web server and its Service, as the tests that are not about the page's apply them."""

from __future__ import annotations

import json
from typing import Any

import yaml

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        ports: [{containerPort: 80}]
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: {app: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def web(*, replicas: int = 2, container: dict[str, Any] | None = None, **pod: Any) -> str:
    """Both; with further fields of the container and of the pods' spec."""
    deployment = yaml.safe_load(DEPLOYMENT)
    deployment["spec"]["replicas"] = replicas
    spec = deployment["spec"]["template"]["spec"]
    spec.update(pod)
    spec["containers"][0].update(container or {})
    return f"{json.dumps(deployment)}\n---{SERVICE}"


def spread_web(*, replicas: int, container: dict[str, Any] | None = None, **pod: Any) -> str:
    """The same on all nodes alike, and quick to end."""
    constraint = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    return web(
        replicas=replicas,
        container=container,
        terminationGracePeriodSeconds=1,
        topologySpreadConstraints=[constraint],
        **pod,
    )
