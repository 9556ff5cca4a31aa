"""The built-in kubectl and the stock one, each in a namespace of its own."""

from __future__ import annotations

import dataclasses
import re

from tests.e2e.harness import PODYARD, Cluster, Done, run

OURS = [*PODYARD, "kubectl"]

CHANGED = (
    (r"\bkubectl\.1\.\d+", "kubectl"),
    (r"(deployment|replicaset)?-[0-9a-z]{8,10}-[0-9a-z]{5}\b", "-POD"),
    (r"\b(my-nginx|web)-[0-9a-z]{8,10}\b", r"\1-HASH"),
    (r"127\.\d+\.\d+\.\d+", "IP"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\w{3}, \d\d \w{3} \d{4} [\d:]+ \+\d+", "TIME"),
    (r"(resourceVersion: )\"\d+\"", r"\1VERSION"),
    (r"\b\d+[ms]\d*s?\b", "AGE"),
    (r"\b3[0-2]\d{3}\b", "NODEPORT"),
    (r"(token|nodePort): \S+", r"\1"),
    (r"Waiting for deployment .*\n", ""),
    (r" {2,}", "  "),
)
"""What differs from one object to the next, and so from one namespace to the other."""


@dataclasses.dataclass(frozen=True)
class Both:
    """The built-in client in one namespace, the stock one in another."""

    cluster: Cluster
    ours: str
    stock: str

    def ours_only(
        self, *words: str, stdin: str = "", ok: bool = True, env: dict[str, str] | None = None
    ) -> Done:
        """Run the built-in client in its namespace."""
        environment = {**self.cluster.env, **(env or {})}
        return run([*OURS, "-n", self.ours, *words], env=environment, stdin=stdin, ok=ok)

    def same(self, *words: str, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        """Run a command with both; they must do and say the same. Gives what ours said."""
        environment = {**self.cluster.env, **(env or {})}
        stock = run(
            [self.cluster.kubectl_path, "-n", self.stock, *words], env=environment, stdin=stdin, ok=False
        )
        ours = self.ours_only(*words, stdin=stdin, ok=False, env=env)
        assert _normal(ours, self.ours) == _normal(stock, self.stock), f"kubectl {' '.join(words)}"
        return ours


def _normal(done: Done, namespace: str) -> Done:
    texts = []
    for text in (done.out, done.err):
        text = re.sub(rf"\b{namespace}\b", "NS", text)
        for pattern, replacement in CHANGED:
            text = re.sub(pattern, replacement, text)
        texts.append(text)
    return Done(done.code, *texts)
