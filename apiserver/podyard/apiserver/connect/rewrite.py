"""What a proxied answer says about its own paths, made to lead through the proxy.

As k8s.io/apimachinery pkg/util/proxy/transport.go: absolute paths in Location and in the attributes
of HTML get the proxy's path before them; what leads to another host stays.
"""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import urlsplit, urlunsplit

_ATTRIBUTES = {
    "a": ("href",),
    "applet": ("codebase",),
    "area": ("href",),
    "audio": ("src",),
    "base": ("href",),
    "blockquote": ("cite",),
    "body": ("background",),
    "button": ("formaction",),
    "command": ("icon",),
    "del": ("cite",),
    "embed": ("src",),
    "form": ("action",),
    "frame": ("longdesc", "src"),
    "head": ("profile",),
    "html": ("manifest",),
    "iframe": ("longdesc", "src"),
    "img": ("longdesc", "src", "usemap"),
    "input": ("formaction", "src", "usemap"),
    "ins": ("cite",),
    "link": ("href",),
    "object": ("classid", "codebase", "data", "usemap"),
    "q": ("cite",),
    "script": ("src",),
    "source": ("src",),
    "video": ("poster", "src"),
}
"""The attributes of HTML elements that are URLs."""

_TEXT_ONLY = frozenset(("script", "style", "textarea", "title"))
"""Elements in which nothing is a tag up to their own end."""

_TAG = re.compile(r"""<!--.*?-->|<([a-zA-Z][^\s/>]*)((?:[^>"']|"[^"]*"|'[^']*')*)>""", re.DOTALL)
_ATTRIBUTE = re.compile(r"""([^\s=/"'>]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")


def rewrite_url(url: str, prefix: str, hosts: frozenset[str]) -> str:
    """A URL in an answer; `hosts` are the names under which the one who answered is known."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if (parts.netloc and parts.netloc not in hosts) or not parts.path.startswith("/"):
        return url
    path = parts.path if parts.path.startswith(prefix) else prefix + parts.path
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def rewrite_html(page: str, prefix: str, hosts: frozenset[str]) -> str:
    """A page with its links rewritten; all else stays as it is, to the letter."""
    out, at = [], 0
    while (tag := _TAG.search(page, at)) is not None:
        out.append(page[at : tag.start()])
        at = tag.end()
        name = (tag[1] or "").lower()
        wanted = _ATTRIBUTES.get(name, ())
        out.append(_rewrite_tag(tag[0], wanted, prefix, hosts) if wanted else tag[0])
        if name in _TEXT_ONLY:
            closing = re.compile(f"</{name}", re.IGNORECASE).search(page, at)
            end = closing.start() if closing else len(page)
            out.append(page[at:end])
            at = end
    out.append(page[at:])
    return "".join(out)


def _rewrite_tag(tag: str, wanted: tuple[str, ...], prefix: str, hosts: frozenset[str]) -> str:
    def rewritten(attribute: re.Match[str]) -> str:
        name, equals, value = attribute.groups()
        if name.lower() not in wanted:
            return attribute[0]
        plain = unescape(value.strip("\"'"))
        changed = rewrite_url(plain, prefix, hosts)
        return attribute[0] if changed == plain else f'{name}{equals}"{escape(changed)}"'

    return _ATTRIBUTE.sub(rewritten, tag)
