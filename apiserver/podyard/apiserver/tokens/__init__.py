"""Service account tokens: JSON Web Tokens that this apiserver signs and recognises again.

A token names a ServiceAccount and, where it was asked for, a pod or Secret that it is bound to. It is
good until it expires and while all of these exist, the same ones. `jws` is the signature, `claims` what
a token says (both pure), `authority` issues and verifies. Source: kubernetes pkg/serviceaccount.
"""
