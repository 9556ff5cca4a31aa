"""Plays a transcript: types each command, shows what comes, looks whether it is what should come."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from podyard.cli.demo.terminal import PRESS_ENTER_SECONDS, Terminal, prompt_in
from podyard.cli.demo.transcript import Step, Typed, fill, find, missing, shown

PATIENCE_SECONDS = 45.0
LOOK_AGAIN_SECONDS = 0.3


class StepFailed(Exception):
    """A step did not show what it should."""

    def __init__(self, command: str, why: str, output: str) -> None:
        super().__init__(f"{command}\n{why}\n{output}")
        self.command = command
        self.why = why


class Player:
    """Types steps in `folder` with `env`.

    `on_node` gives the command line that runs a script on a node. `values` is what is known from the
    start. `show(text)` gets everything as it would stand on a screen.
    """

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        on_node: Callable[[str], list[str]],
        values: Mapping[str, str],
        show: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._env = env
        self._on_node = on_node
        self._show = show
        self.values = dict(values)

    def play(self, steps: Iterable[Step]) -> None:
        """Play them in order. Raises StepFailed at the first one that goes wrong."""
        for step in steps:
            if step.needs and shutil.which(step.needs, path=self._env["PATH"]) is None:
                self._show(f"\n({step.needs} is not installed: `{step.command}` is left out)\n")
                continue
            self.step(step)

    def step(self, step: Step) -> None:
        """Play one."""
        command = fill(step.command, self.values)
        title = f"\n# {step.title}\n" if step.title else "\n"
        self._show(f"{title}{'node1 $' if step.on_node else '$'} {command}\n")
        if step.talk:
            self._converse(step, command)
            return
        argv = self._on_node(command) if step.on_node else ["/bin/sh", "-c", command]
        self.values |= shown(step.shows, self._until_right(step, command, argv), self.values)

    def _until_right(self, step: Step, command: str, argv: list[str]) -> str:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            done = subprocess.run(
                argv,
                env=self._env,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            why = missing(step, done.stdout, self.values)
            if not why and done.returncode:
                why = f"it ended with exit status {done.returncode}"
            if not why:
                self._show(done.stdout)
                return done.stdout
            if not step.look or time.monotonic() > end:
                self._show(done.stdout)
                raise StepFailed(command, why, done.stdout)
            time.sleep(LOOK_AGAIN_SECONDS)

    def _converse(self, step: Step, command: str) -> None:
        terminal = Terminal(["/bin/sh", "-c", f"exec {command}"], self._env, self._folder, self._show)
        try:
            if not terminal.wait(
                lambda: "press" in terminal.said or prompt_in(terminal.said), PATIENCE_SECONDS
            ):
                raise StepFailed(command, "no prompt appeared", terminal.said)
            if not terminal.wait(lambda: prompt_in(terminal.said), PRESS_ENTER_SECONDS):
                terminal.type("")
            for typed in step.talk[:-1]:
                self._ask(terminal, command, typed)
            terminal.type(step.talk[-1].line)
            status = terminal.finish(PATIENCE_SECONDS)
            if status != 0:
                why = "it did not end" if status is None else f"it ended with exit status {status}"
                raise StepFailed(command, f"after `{step.talk[-1].line}` {why}", terminal.said)
        finally:
            terminal.close()

    def _ask(self, terminal: Terminal, command: str, typed: Typed) -> None:
        """Type a line at a prompt, and again until it shows what it should: all that is typed here looks."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            left = max(1.0, end - time.monotonic())
            if not terminal.wait(lambda: prompt_in(terminal.said), left):
                raise StepFailed(command, "no prompt appeared", terminal.said)
            terminal.type(fill(typed.line, self.values))
            terminal.wait(lambda: prompt_in(terminal.said), left)
            wrong = [p for p in typed.shows if not find(p, terminal.said, self.values)]
            if not wrong:
                return
            if time.monotonic() > end:
                why = f"after `{typed.line}` this did not appear: {wrong[0]}"
                raise StepFailed(command, why, terminal.said)
