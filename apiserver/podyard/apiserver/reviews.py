"""Reviews: kinds that are posted and answered, never stored. Who am I, and may I?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from podyard.api.errors import bad_request
from podyard.apiserver.answers import answer_object
from podyard.apiserver.authn import user_info
from podyard.apiserver.authz import Attributes, Authorizer
from podyard.apiserver.bodies import read_object
from podyard.apiserver.context import info_of, user_of
from podyard.apiserver.registry import User
from podyard.apiserver.requestinfo import no_such_resource
from podyard.apiserver.tokens.authority import INVALID, TokenAuthority
from podyard.apiserver.tokens.jws import TokenError

Object = dict[str, Any]
Answer = Callable[[Object, User], Object]


class ReviewHandlers:
    """The handlers of the kinds in authentication.k8s.io and authorization.k8s.io."""

    def __init__(self, authorizer: Authorizer, tokens: TokenAuthority | None) -> None:
        self._authorizer = authorizer
        self._tokens = tokens
        self._kinds: dict[str, Answer] = {
            "SelfSubjectReview": self._self_subject_review,
            "TokenReview": self._token_review,
            "SelfSubjectAccessReview": self._self_access_review,
            "SubjectAccessReview": self._access_review,
            "LocalSubjectAccessReview": self._access_review,
            "SelfSubjectRulesReview": self._rules_review,
        }

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Answer a review with its status filled in."""
        info = info_of(request)
        resource = info.resource
        if resource is None or resource.kind not in self._kinds:
            raise no_such_resource()
        review = await read_object(request, resource.group_version, resource.kind)
        spec = review.get("spec") or {}
        if not isinstance(spec, dict):
            raise bad_request(f"{resource.kind} in version {resource.version!r} cannot be handled: bad spec")
        if resource.kind == "LocalSubjectAccessReview":
            asked = (spec.get("resourceAttributes") or {}).get("namespace")
            if asked != info.namespace:
                raise bad_request(
                    "spec.resourceAttributes.namespace: Invalid value: must match metadata.namespace"
                )
        review["status"] = self._kinds[resource.kind](spec, user_of(request))
        review.setdefault("metadata", {})
        return answer_object(request, review, status=201)

    def _self_subject_review(self, spec: Object, user: User) -> Object:
        return {"userInfo": user_info(user)}

    def _token_review(self, spec: Object, user: User) -> Object:
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        audiences = [str(audience) for audience in spec.get("audiences") or ()]
        try:
            if self._tokens is None:
                raise TokenError(INVALID)
            found = self._tokens.recognise(str(spec["token"]), audiences)
        except TokenError as error:
            return {"user": {}, "error": str(error)}
        return {
            "authenticated": True,
            "user": user_info(found.user),
            "audiences": list(found.audiences),
        }

    def _self_access_review(self, spec: Object, user: User) -> Object:
        return self._decide(spec, user)

    def _access_review(self, spec: Object, user: User) -> Object:
        if not spec.get("user") and not spec.get("groups"):
            raise bad_request(
                "spec.user: Invalid value: null: at least one of user or group must be specified"
            )
        about = User(str(spec.get("user") or ""), tuple(spec.get("groups") or ()), str(spec.get("uid") or ""))
        return self._decide(spec, about)

    def _decide(self, spec: Object, user: User) -> Object:
        decision = self._authorizer.authorize(_attributes(spec, user))
        status: Object = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return status

    def _rules_review(self, spec: Object, user: User) -> Object:
        if not spec.get("namespace"):
            raise bad_request("no namespace on request")
        return self._authorizer.rules(user, str(spec["namespace"]))


def _attributes(spec: Object, user: User) -> Attributes:
    asked, path = spec.get("resourceAttributes") or {}, spec.get("nonResourceAttributes") or {}
    if bool(asked) == bool(path):
        raise bad_request(
            "spec.resourceAttributes: Invalid value: "
            "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        )
    if path:
        return Attributes(user, str(path.get("verb") or ""), path=str(path.get("path") or ""))
    verb, group, version, resource, subresource, namespace, name = (
        str(asked.get(field) or "")
        for field in ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    )
    return Attributes(user, verb, group, version, resource, subresource, namespace, name)
