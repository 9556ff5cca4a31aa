"""Tokens that are asked for: the sub-resource `token` of a ServiceAccount.

Source: kubernetes/pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

import orjson

from podyard.api.defaults import apply_defaults
from podyard.api.errors import StatusError, bad_request, conflict, invalid, not_found
from podyard.api.resources import NODES, PODS, SECRETS, SERVICEACCOUNTS, Resource
from podyard.api.times import to_rfc3339
from podyard.api.validation import validate_create
from podyard.apiserver.admission import Request
from podyard.apiserver.admission.plugins import admit
from podyard.apiserver.registry import Object, Stored, WriteOptions
from podyard.apiserver.registry.decoding import decode
from podyard.apiserver.registry.store import Store
from podyard.apiserver.tokens.authority import TokenAuthority
from podyard.apiserver.tokens.claims import WARN_ONLY_SECONDS, Bound
from podyard.process.clock import Clock

TOKEN_REQUEST = Resource("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest", stored=False)

EXTENDED_SECONDS = 365 * 24 * 60 * 60
"""How long a token really lives that was asked for WARN_ONLY_SECONDS, in case its reader never looks at the
file again; it carries `warnafter` instead (--service-account-extend-token-expiration)."""


class TokenRequests:
    """Answers TokenRequests. Nothing is stored."""

    def __init__(self, store: Store, authority: TokenAuthority, clock: Clock) -> None:
        self._store = store
        self._authority = authority
        self._clock = clock

    def create(self, namespace: str, name: str, obj: Object, options: WriteOptions) -> Stored:
        """The request with a token in its status."""
        request = decode(TOKEN_REQUEST, obj, options)
        account = self._store.lookup("serviceaccounts", namespace, name)
        if account is None:
            raise not_found(SERVICEACCOUNTS, name)
        now = self._clock.now()
        apply_defaults(TOKEN_REQUEST.group_version, TOKEN_REQUEST.kind, request)
        request["metadata"] = {
            **(request.get("metadata") or {}),
            "name": name,
            "namespace": namespace,
            "creationTimestamp": to_rfc3339(now),
        }
        spec = request["spec"]
        user = options.user
        admit(Request("CREATE", SERVICEACCOUNTS, namespace, name, request, None, user, self._store, "token"))
        spec["audiences"] = spec.get("audiences") or list(self._authority.audiences)
        if errors := validate_create(TOKEN_REQUEST, request):
            raise invalid(TOKEN_REQUEST, "", errors)
        bound = self._bound(spec.get("boundObjectRef"), namespace, name)
        seconds, warn_after = self._lifetime(spec, bound)
        request["status"] = {
            "token": self._authority.issue(account, bound, spec["audiences"], seconds, warn_after),
            "expirationTimestamp": to_rfc3339(now + spec["expirationSeconds"]),
        }
        return Stored(namespace, name, 0, orjson.dumps(request))

    def _lifetime(self, spec: Object, bound: Bound) -> tuple[int, int]:
        asked = int(spec["expirationSeconds"])
        ours = all(audience in self._authority.audiences for audience in spec["audiences"])
        if bound.pod is not None and asked == WARN_ONLY_SECONDS and ours:
            return EXTENDED_SECONDS, asked
        return asked, 0

    def _bound(self, reference: Object | None, namespace: str, account: str) -> Bound:
        """What the token is to be bound to. 404 when it is not there, 409 when it is another one."""
        if reference is None:
            return Bound()
        api_version, kind = reference.get("apiVersion", ""), reference.get("kind", "")
        name = reference.get("name", "")
        if (api_version, kind) == ("v1", "Pod"):
            pod = self._existing(PODS, namespace, name)
            if pod["spec"].get("serviceAccountName", "") != account:
                raise bad_request(
                    f'cannot bind token for serviceaccount "{account}" to pod running with different '
                    "serviceaccount name."
                )
            found, bound = pod, Bound(pod=pod, node=self._node_of(pod))
        elif (api_version, kind) == ("v1", "Secret"):
            found = self._existing(SECRETS, namespace, name)
            bound = Bound(secret=found)
        elif (api_version, kind) == ("v1", "Node"):
            found = self._existing(NODES, "", name)
            bound = Bound(node=found)
        else:
            raise bad_request(f"cannot bind token to object of type {_go_kind(api_version, kind)}")
        if reference.get("uid") not in (None, "", found["metadata"]["uid"]):
            raise _other_uid(kind, name, reference["uid"])
        return bound

    def _existing(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self._store.lookup(resource.group_resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def _node_of(self, pod: Object) -> Object | None:
        name = pod["spec"].get("nodeName")
        if not name:
            return None
        return self._store.lookup("nodes", "", name) or {"metadata": {"name": name}}


def _go_kind(api_version: str, kind: str) -> str:
    """A GroupVersionKind as Go prints it."""
    group, _, version = api_version.rpartition("/")
    return f"{group}/{version}, Kind={kind}"


def _other_uid(kind: str, name: str, uid: str) -> StatusError:
    why = (
        f"the UID in the bound object reference ({uid}) does not match the UID in record. "
        "The object might have been deleted and then recreated"
    )
    return conflict(Resource("", "v1", kind, kind), name, why)
