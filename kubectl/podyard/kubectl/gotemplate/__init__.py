"""Go's text/template, as far as `-o go-template` needs it.

Text, fields, variables, pipelines, `if`, `with`, `range`, `break`, `continue`, comments, the trimming of
white space, and the functions of `functions`. There is no `define`, `template` or `block`: one template
stands alone. Source: https://pkg.go.dev/text/template.
"""

from __future__ import annotations

from podyard.kubectl.gotemplate.execution import Template
from podyard.kubectl.gotemplate.nodes import TemplateError

__all__ = ["Template", "TemplateError"]
