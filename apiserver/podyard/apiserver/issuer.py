"""OpenID Connect discovery: what others need to verify service account tokens."""

from __future__ import annotations

import orjson
from aiohttp import web

from podyard.apiserver.context import RestConfig
from podyard.apiserver.handlers import Handler
from podyard.apiserver.tokens.authority import TokenAuthority
from podyard.apiserver.tokens.jws import ALGORITHM

_KEYS_PATH = "/openid/v1/jwks"
_HEADERS = {"Cache-Control": "public, max-age=3600"}


class IssuerHandlers:
    """The handlers of /.well-known/openid-configuration and /openid/v1/jwks."""

    def __init__(self, config: RestConfig) -> None:
        self.paths: dict[str, Handler] = {}
        if config.tokens is not None:
            documents = {
                "/.well-known/openid-configuration": ("application/json", _metadata(config.tokens, config)),
                _KEYS_PATH: ("application/jwk-set+json", config.tokens.to_jwks()),
            }
            for path, (content_type, document) in documents.items():
                self.paths[path] = _constant(orjson.dumps(document), content_type)


def _metadata(authority: TokenAuthority, config: RestConfig) -> dict[str, object]:
    return {
        "issuer": authority.issuer,
        "jwks_uri": f"https://{config.server_address}{_KEYS_PATH}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }


def _constant(body: bytes, content_type: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type, headers=_HEADERS)

    return handler
