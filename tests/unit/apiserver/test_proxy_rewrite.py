"""The links in a proxied answer."""

from __future__ import annotations

import gzip

import pytest

from podyard.apiserver.connect.proxy import rewrite_page, split_path
from podyard.apiserver.connect.rewrite import rewrite_html, rewrite_url

PREFIX = "/api/v1/namespaces/ns/services/web/proxy"
HOSTS = frozenset(("localhost:8001",))


@pytest.mark.parametrize(
    ("url", "rewritten"),
    [
        ("/", f"{PREFIX}/"),
        ("/a/b?c=d#e", f"{PREFIX}/a/b?c=d#e"),
        ("a/b", "a/b"),
        ("?page=2", "?page=2"),
        ("http://example.org/a", "http://example.org/a"),
        ("//example.org/a", "//example.org/a"),
        ("http://localhost:8001/a", f"{PREFIX}/a"),
        (f"{PREFIX}/a", f"{PREFIX}/a"),
        ("http://[bad/", "http://[bad/"),
        ("", ""),
    ],
)
def test_urls(url: str, rewritten: str) -> None:
    assert rewrite_url(url, PREFIX, HOSTS) == rewritten


@pytest.mark.parametrize(
    ("page", "rewritten"),
    [
        ('<a href="/x">x</a>', f'<a href="{PREFIX}/x">x</a>'),
        ("<A class=b HREF = '/x'>", f'<A class=b HREF = "{PREFIX}/x">'),
        ("<img src=/x.png usemap='#m'>", f"<img src=\"{PREFIX}/x.png\" usemap='#m'>"),
        ('<a href="/x?a=1&amp;b=2">', f'<a href="{PREFIX}/x?a=1&amp;b=2">'),
        ('<a title="/x" href="y">', '<a title="/x" href="y">'),
        ('<p href="/x">', '<p href="/x">'),
        ('<!-- <a href="/x"> --><br/>', '<!-- <a href="/x"> --><br/>'),
        (
            '<script src="/s.js">w(\'<a href="/x">\')</script><a href="/y">',
            f'<script src="{PREFIX}/s.js">w(\'<a href="/x">\')</script><a href="{PREFIX}/y">',
        ),
        ('<script>"<a href="/x">', '<script>"<a href="/x">'),
        ('<a title=">" href="/x">', f'<a title=">" href="{PREFIX}/x">'),
        ("1 < 2 <", "1 < 2 <"),
    ],
)
def test_html(page: str, rewritten: str) -> None:
    assert rewrite_html(page, PREFIX, HOSTS) == rewritten


def test_encoded_pages() -> None:
    page, rewritten = b'\xe4<a href="/x">', f'\xe4<a href="{PREFIX}/x">'.encode("latin-1")
    assert rewrite_page(page, "", PREFIX, HOSTS) == rewritten
    assert gzip.decompress(rewrite_page(gzip.compress(page), "gzip", PREFIX, HOSTS)) == rewritten
    for encoding in ("br", "gzip"):
        assert rewrite_page(page, encoding, PREFIX, HOSTS) == page


@pytest.mark.parametrize(
    ("path", "prefix", "rest"),
    [
        (PREFIX, PREFIX, ""),
        (f"{PREFIX}/", PREFIX, "/"),
        (f"{PREFIX}/a%2Fb//c/", PREFIX, "/a%2Fb//c/"),
    ],
)
def test_paths(path: str, prefix: str, rest: str) -> None:
    assert split_path(path, namespaced=True) == (prefix, rest)
    assert split_path("/api/v1/nodes/n/proxy/a", namespaced=False) == ("/api/v1/nodes/n/proxy", "/a")
