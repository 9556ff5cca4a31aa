"""The API described in OpenAPI: what `kubectl explain` and client-side checks read.

`schemas` turns the published definitions into OpenAPI schemas, `operations` says which paths and
verbs there are, `v2` and `v3` make whole documents of both, and `serve` answers with them. The
documents are made when somebody asks for one, and kept compressed.
"""
