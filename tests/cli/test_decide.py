"""`watchhouse decide` as Squid runs it: a process, lines in, lines out."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; from proxy_addons.cli import main; sys.exit(main())"
LINE = "http://games.example/ 10.0.0.1/- - GET"
REFUSED = 'OK rewrite-url="http://blocked.test/?{}"'
POLICY = """version: 1
time_zone: Europe/London
profiles: {others: {description: Others., strictest: true}}
rules:
  - {id: RULE, reason: No., action: block, when: {categories: games}}
  - {id: rest, reason: Allowed., action: allow}
"""


class Helper:
    """The command, running."""

    def __init__(self, config: Path, *arguments: str) -> None:
        command = [sys.executable, "-c", COMMAND, "decide", "--config", str(config)]
        command += ["--redirect", "http://blocked.test/?%r", *arguments]
        self._said = (config / "said").open("wb")
        self.running = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._config = config

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.running.stdin is not None
        assert self.running.stdout is not None
        self.running.stdin.close()
        try:
            self.running.wait(20)
        finally:
            self.running.kill()
            self.running.wait()
            self.running.stdout.close()
            self._said.close()

    def ask(self, line: str = LINE) -> str:
        """The answer to one line, while nothing more comes."""
        self.write(f"{line}\n".encode())
        return self.answer()

    def write(self, octets: bytes) -> None:
        """Write what Squid writes."""
        assert self.running.stdin is not None
        while octets:
            octets = octets[self.running.stdin.write(octets) :]

    def answer(self) -> str:
        """A line that is there without more being asked."""
        assert self.running.stdout is not None
        ready, _, _ = select.select([self.running.stdout], [], [], 20)
        assert ready, "no answer"
        return self.running.stdout.readline().decode().removesuffix("\n")

    def said(self) -> str:
        """What stands in Squid's cache.log."""
        return (self._config / "said").read_text()

    def until(self, answer: str) -> None:
        """Wait for the answer to change."""
        for _ in range(100):
            if (found := self.ask()) == answer:
                return
            time.sleep(0.1)
        pytest.fail(f"still {found}: {self.said()}")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "categories" / "local" / "games").mkdir(parents=True)
    (tmp_path / "categories" / "local" / "games" / "domains").write_text("games.example\n")
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "watchhouse.yaml").write_text("data_dir: data\ncategories_dir: ../categories\n")
    rule(folder, "games")
    return folder


def rule(config: Path, name: str) -> None:
    """Write a policy whose rule is called so."""
    new = config / "policy.new"
    new.write_text(POLICY.replace("RULE", name))
    new.rename(config / "policy.yaml")


def compile_lists(config: Path) -> None:
    """Make the index."""
    from proxy_addons.categorisation import (  # noqa: PLC0415 - only here
        SourceFolders,
        ensure_index,
    )

    data = config.parent / "data"
    folders = SourceFolders(config.parent / "categories", data / "lists")
    ensure_index(folders, data / "categories.index", force=True)


@pytest.fixture
def helper(config: Path) -> Iterator[Helper]:
    compile_lists(config)
    with Helper(config, "--at", "2026-11-24T10:30") as running:
        yield running


def test_a_life(helper: Helper, config: Path) -> None:
    # Each answer comes at once, although nothing follows; many lines at once have theirs in order.
    assert helper.ask() == REFUSED.format("games")
    assert helper.ask("7 http://ok.example/ 10.0.0.1/- - GET") == "7 ERR"
    helper.write(f"1 {LINE}\n2 http://ok.example/ 10.0.0.1/- - GET\n3 {LINE}".encode())
    assert [helper.answer(), helper.answer()] == [f"1 {REFUSED.format('games')}", "2 ERR"]
    helper.write(b"\n4 http://\0/ 10.0.0.1/- - GET\n")
    assert [helper.answer(), helper.answer()] == [
        f"3 {REFUSED.format('games')}",
        f"4 {REFUSED.format('bad-request')}",
    ]
    # A line that is longer than any may be.
    helper.write(b"5 http://ok.example/" + b"a" * 200_000 + b" 10.0.0.1/- - GET\n6 x\n")
    assert helper.answer() == f"5 {REFUSED.format('bad-request')}"
    assert helper.answer() == f"6 {REFUSED.format('bad-request')}"
    # Another policy; one that is wrong, which is told once; none at all; and a good one again.
    rule(config, "new-name")
    helper.until(REFUSED.format("new-name"))
    (config / "policy.yaml").write_text("version: 1\nrules: [\n")
    wait_for(lambda: "policy.yaml:" in helper.said())
    assert helper.ask() == REFUSED.format("new-name")
    (config / "policy.yaml").unlink()
    helper.running.send_signal(signal.SIGHUP)
    wait_for(lambda: "there is no such file" in helper.said() or "cannot be read" in helper.said())
    assert helper.ask() == REFUSED.format("new-name")
    assert helper.said().count("the last good one stays in force") == 2
    rule(config, "third")
    helper.until(REFUSED.format("third"))
    # Other lists.
    domains = config.parent / "categories" / "local" / "games" / "domains"
    domains.write_text("other.example\n")
    compile_lists(config)
    helper.until("ERR")
    # Squid ends it.
    assert helper.running.stdin is not None
    helper.running.stdin.close()
    assert helper.running.wait(20) == 0


def test_where_rules_lead_is_looked_at_too(config: Path) -> None:
    compile_lists(config)
    file = config / "redirects.yaml"
    text = 'version: 1\nredirects:\n  - {rules: games, to: "http://%s.test/"}\n'
    with Helper(config, "--redirects", str(file)) as helper:
        assert helper.ask() == REFUSED.format("index-missing"), "the file is not there yet"
        file.write_text(text % "one")
        helper.until('OK rewrite-url="http://one.test/"')
        file.write_text((text % "two").replace("games", "gmaes"))
        wait_for(lambda: "did you mean games?" in helper.said())
        assert helper.ask() == 'OK rewrite-url="http://one.test/"'
        file.write_text(text % "two")
        helper.until('OK rewrite-url="http://two.test/"')


def test_without_policy_and_lists_it_refuses_and_goes_on_when_they_come(config: Path) -> None:
    policy = (config / "policy.yaml").read_text()
    (config / "policy.yaml").unlink()
    with Helper(config) as helper:
        assert helper.ask("9 http://ok.example/ 10.0.0.1/- - GET") == (
            f"9 {REFUSED.format('index-missing')}"
        )
        (config / "policy.yaml").write_text(policy)
        wait_for(lambda: "categories.index" in helper.said())
        assert helper.ask() == REFUSED.format("index-missing")
        compile_lists(config)
        helper.until(REFUSED.format("games"))
        assert helper.ask("http://ok.example/ 10.0.0.1/- - GET") == "ERR"
        assert "everything is refused" in helper.said()


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it never came")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--redirect", "blocked.test"], "wanted an http or https address"),
        (["--redirect", "http://x/%z"], "%z is none of"),
        (["--at", "noon"], "is no ISO 8601 time"),
        (["--protocol", "2.7"], "invalid choice"),
    ],
)
def test_wrong_usage(watchhouse: Callable[..., object], arguments: list[str], problem: str) -> None:
    done = watchhouse("decide", *arguments)
    assert done.code == 2
    assert problem in done.err
