"""YAML as Kubernetes' clients read and write it.

Plain scalars are resolved as sigs.k8s.io/yaml does: YAML 1.1 with yes/no/on/off, octal numbers and
floats such as 1e3, but timestamps and base-60 numbers stay strings. Written are sorted keys, lists
that are not indented, and text with line breaks in literal style.
Source: sigs.k8s.io/yaml goyaml.v2 (resolve.go, decode.go, encode.go, sorter.go).
"""

from podyard.kubectl.yamltext.reading import YAMLError, load, problem
from podyard.kubectl.yamltext.scalars import go_float
from podyard.kubectl.yamltext.writing import dump

__all__ = ["YAMLError", "dump", "go_float", "load", "problem"]
