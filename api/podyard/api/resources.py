"""The served resources: what the OpenAPI definitions do not say about a kind.

The definitions name every kind's group, version and fields, but not its plural, whether it
lives in a namespace, its short names or its sub-resources. This table does, one line a kind,
as the real kube-apiserver's discovery prints them (Kubernetes API reference, v1.37). Beta and
alpha versions are off, as they are by default there.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource, and how discovery presents it.

    `subresources` are names without the parent ("status"). `stored` is false for a kind that is
    only ever posted and answered, such as SubjectAccessReview. `converts_to` is the plural and
    group-version under which objects of this kind are really stored, for the two kinds that are
    served in more than one version (see `podyard.api.conversion`).
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    stored: bool = True
    converts_to: tuple[str, str] | None = None  # (group, version) of the stored form

    @property
    def group_version(self) -> str:
        """The `apiVersion` of its objects: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """How messages name it: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """The lower-case kind, as `kubectl get pod/x` takes it."""
        return self.kind.lower()

    @property
    def verbs(self) -> tuple[str, ...]:
        """What discovery lists: every verb of a stored kind, `create` alone of the others."""
        return ALL_VERBS if self.stored else ("create",)


def _r(
    group_version: str,
    plural: str,
    kind: str,
    *,
    cluster: bool = False,
    short: str = "",
    categories: str = "",
    sub: str = "",
    stored: bool = True,
    converts_to: tuple[str, str] | None = None,
) -> Resource:
    group, _, version = group_version.rpartition("/")
    return Resource(
        group,
        version,
        plural,
        kind,
        namespaced=not cluster,
        short_names=tuple(short.split()),
        categories=tuple(categories.split()),
        subresources=tuple(sub.split()),
        stored=stored,
        converts_to=converts_to,
    )


BINDINGS = _r("v1", "bindings", "Binding", stored=False)
CONFIGMAPS = _r("v1", "configmaps", "ConfigMap", short="cm")
ENDPOINTS = _r("v1", "endpoints", "Endpoints", short="ep")
EVENTS = _r("v1", "events", "Event", short="ev")
NAMESPACES = _r("v1", "namespaces", "Namespace", cluster=True, short="ns", sub="finalize status")
NODES = _r("v1", "nodes", "Node", cluster=True, short="no", sub="proxy status")
PODS = _r(
    "v1",
    "pods",
    "Pod",
    short="po",
    categories="all",
    sub="attach binding ephemeralcontainers eviction exec log portforward proxy resize status",
)
REPLICATIONCONTROLLERS = _r(
    "v1", "replicationcontrollers", "ReplicationController", short="rc", categories="all", sub="scale status"
)
SECRETS = _r("v1", "secrets", "Secret")
SERVICES = _r("v1", "services", "Service", short="svc", categories="all", sub="proxy status")
SERVICEACCOUNTS = _r("v1", "serviceaccounts", "ServiceAccount", short="sa", sub="token")
DEPLOYMENTS = _r("apps/v1", "deployments", "Deployment", short="deploy", categories="all", sub="scale status")
REPLICASETS = _r("apps/v1", "replicasets", "ReplicaSet", short="rs", categories="all", sub="scale status")
STATEFULSETS = _r("apps/v1", "statefulsets", "StatefulSet", short="sts", categories="all", sub="scale status")
CERTIFICATESIGNINGREQUESTS = _r(
    "certificates.k8s.io/v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    cluster=True,
    short="csr",
    sub="approval status",
)
LEASES = _r("coordination.k8s.io/v1", "leases", "Lease")
ENDPOINTSLICES = _r("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
PODDISRUPTIONBUDGETS = _r(
    "policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", short="pdb", sub="status"
)

_ADMISSION = "admissionregistration.k8s.io/v1"
_AUTHORIZATION = "authorization.k8s.io/v1"
_FLOWCONTROL = "flowcontrol.apiserver.k8s.io/v1"
_RBAC = "rbac.authorization.k8s.io/v1"
_RESOURCE = "resource.k8s.io/v1"

RESOURCES: tuple[Resource, ...] = (
    BINDINGS,
    CONFIGMAPS,
    ENDPOINTS,
    EVENTS,
    _r("v1", "limitranges", "LimitRange", short="limits"),
    NAMESPACES,
    NODES,
    _r("v1", "persistentvolumeclaims", "PersistentVolumeClaim", short="pvc", sub="status"),
    _r("v1", "persistentvolumes", "PersistentVolume", cluster=True, short="pv", sub="status"),
    PODS,
    _r("v1", "podtemplates", "PodTemplate"),
    REPLICATIONCONTROLLERS,
    _r("v1", "resourcequotas", "ResourceQuota", short="quota", sub="status"),
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    _r(
        _ADMISSION,
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        cluster=True,
        categories="api-extensions",
    ),
    _r(
        _ADMISSION,
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        cluster=True,
        categories="api-extensions",
    ),
    _r(
        _ADMISSION,
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        cluster=True,
        categories="api-extensions",
    ),
    _r(
        _ADMISSION,
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        cluster=True,
        categories="api-extensions",
        sub="status",
    ),
    _r(
        _ADMISSION,
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        cluster=True,
        categories="api-extensions",
    ),
    _r(
        _ADMISSION,
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        cluster=True,
        categories="api-extensions",
    ),
    _r(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        cluster=True,
        short="crd crds",
        categories="api-extensions",
        sub="status",
    ),
    _r(
        "apiregistration.k8s.io/v1",
        "apiservices",
        "APIService",
        cluster=True,
        categories="api-extensions",
        sub="status",
    ),
    _r("apps/v1", "controllerrevisions", "ControllerRevision"),
    _r("apps/v1", "daemonsets", "DaemonSet", short="ds", categories="all", sub="status"),
    DEPLOYMENTS,
    REPLICASETS,
    STATEFULSETS,
    _r("authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview", cluster=True, stored=False),
    _r("authentication.k8s.io/v1", "tokenreviews", "TokenReview", cluster=True, stored=False),
    _r(_AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", stored=False),
    _r(_AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview", cluster=True, stored=False),
    _r(_AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview", cluster=True, stored=False),
    _r(_AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview", cluster=True, stored=False),
    _r(
        "autoscaling/v1",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short="hpa",
        categories="all",
        sub="status",
        converts_to=("autoscaling", "v2"),
    ),
    _r(
        "autoscaling/v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short="hpa",
        categories="all",
        sub="status",
    ),
    _r("batch/v1", "cronjobs", "CronJob", short="cj", categories="all", sub="status"),
    _r("batch/v1", "jobs", "Job", categories="all", sub="status"),
    CERTIFICATESIGNINGREQUESTS,
    LEASES,
    ENDPOINTSLICES,
    _r("events.k8s.io/v1", "events", "Event", short="ev", converts_to=("", "v1")),
    _r(_FLOWCONTROL, "flowschemas", "FlowSchema", cluster=True, sub="status"),
    _r(_FLOWCONTROL, "prioritylevelconfigurations", "PriorityLevelConfiguration", cluster=True, sub="status"),
    _r("networking.k8s.io/v1", "ingressclasses", "IngressClass", cluster=True),
    _r("networking.k8s.io/v1", "ingresses", "Ingress", short="ing", sub="status"),
    _r("networking.k8s.io/v1", "ipaddresses", "IPAddress", cluster=True, short="ip"),
    _r("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", short="netpol"),
    _r("networking.k8s.io/v1", "servicecidrs", "ServiceCIDR", cluster=True, sub="status"),
    _r("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", cluster=True),
    PODDISRUPTIONBUDGETS,
    _r(_RBAC, "clusterrolebindings", "ClusterRoleBinding", cluster=True),
    _r(_RBAC, "clusterroles", "ClusterRole", cluster=True),
    _r(_RBAC, "rolebindings", "RoleBinding"),
    _r(_RBAC, "roles", "Role"),
    _r(_RESOURCE, "deviceclasses", "DeviceClass", cluster=True),
    _r(_RESOURCE, "resourceclaims", "ResourceClaim", sub="status"),
    _r(_RESOURCE, "resourceclaimtemplates", "ResourceClaimTemplate"),
    _r(_RESOURCE, "resourceslices", "ResourceSlice", cluster=True),
    _r("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", cluster=True, short="pc"),
    _r("storage.k8s.io/v1", "csidrivers", "CSIDriver", cluster=True),
    _r("storage.k8s.io/v1", "csinodes", "CSINode", cluster=True),
    _r("storage.k8s.io/v1", "csistoragecapacities", "CSIStorageCapacity"),
    _r("storage.k8s.io/v1", "storageclasses", "StorageClass", cluster=True, short="sc"),
    _r("storage.k8s.io/v1", "volumeattachments", "VolumeAttachment", cluster=True, sub="status"),
    _r("storage.k8s.io/v1", "volumeattributesclasses", "VolumeAttributesClass", cluster=True, short="vac"),
)

_BY_PLURAL = {(r.group, r.version, r.plural): r for r in RESOURCES}
_BY_KIND = {(r.group_version, r.kind): r for r in RESOURCES}


def find(group: str, version: str, plural: str) -> Resource | None:
    """The resource of a URL or a gRPC request, or None when it is not served."""
    return _BY_PLURAL.get((group, version, plural))


def find_kind(api_version: str, kind: str) -> Resource | None:
    """The resource of an object's `apiVersion` and `kind`, or None when it is not served."""
    return _BY_KIND.get((api_version, kind))
