"""The three kinds of patches that Kubernetes takes.

Each function gives a new object that shares nothing with the old one, and raises `PatchError`,
whose `code` is 400 for a malformed patch and 422 for one that does not fit the object.
"""

from podyard.api.jsonpatch import PatchError, json_patch, merge_patch
from podyard.api.strategic import strategic_merge_patch

__all__ = ["PatchError", "json_patch", "merge_patch", "strategic_merge_patch"]
