"""The versions that podyard tells the world.

`kubectl version` and `kubectl get nodes` show them; the Kubernetes API that is served is the one
whose definitions the package kubernetes-validate ships.
"""

from __future__ import annotations

PODYARD_VERSION = "0.1.0"
"""podyard's own version."""

KUBERNETES_MAJOR = "1"
KUBERNETES_MINOR = "37"

GIT_VERSION = f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.0+podyard1"
"""The Kubernetes version as a semantic version: `gitVersion` of /version, a node's kubeletVersion."""
