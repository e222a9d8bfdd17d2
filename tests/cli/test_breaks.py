"""`watchhouse break …`, as a user types it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.cli import acting
from proxy_addons.cli.acting import Login
from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def by(
    watchhouse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """A command of somebody who called it with sudo; or who did not."""

    def run(name: str, *arguments: str, sudo: bool = True) -> Any:
        login = Login(0, sudo_user=name) if sudo else Login(65534)
        monkeypatch.setattr(acting, "login_of", lambda *_: login)
        return watchhouse("break", *arguments, "--data", str(tmp_path))

    return run


def told(done: Any) -> str:
    assert (done.code, done.err) == (0, "")
    return " ".join(done.out.split())


def data(done: Any) -> Any:
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_a_break_from_start_to_end(by: Callable[..., Any], tmp_path: Path):
    assert told(by("jane", "show", "Jane")) == (
        "for jane left today 60 of 60 minutes next now, for 15 or 30 or 60 minutes"
    )
    assert told(by("jane", "start", "Jane", "--minutes", "30")).startswith(
        "jane: a break of 30 minutes, until "
    )
    assert "jane: a break has been running since" in told(by("jane", "start", "jane"))
    shown = told(by("sam", "show", "jane"))
    assert "for jane running until" in shown
    assert "left today 30 of 60 minutes next from" in shown
    assert told(by("sam", "end", "jane")) == "jane: the break has ended; it counts 1 minute"
    assert told(by("sam", "end", "jane")) == "jane: no break was running"
    found = data(by("jane", "show", "jane", "--json"))
    (made,) = found["breaks"]
    assert (found["person"], found["running"], found["left"]["minutes"]) == ("jane", None, 59)
    assert (made["minutes"], made["ended_early"], made["by"]) == (1, True, "jane")
    assert made["how"] == "command-line"
    again = datetime.fromisoformat(found["left"]["may_start_at"])
    ended = datetime.fromisoformat(made["ends"])
    assert timedelta(minutes=30) <= again - ended <= timedelta(minutes=31)
    refused = by("jane", "start", "jane")
    assert (refused.code, refused.out) == (1, "")
    assert "there are 30 minutes between two. (Inf/27 2.9.1)" in refused.err
    paths = Paths(tmp_path, tmp_path, tmp_path)
    store = open_store(Standing(), paths)
    assert store.shift_version() > 1, "workers see it"
    store.close()


def test_started_by_another(by: Callable[..., Any]):
    made = data(by("sam", "start", "jane", "--json"))
    assert (made["person"], made["by"], made["minutes"]) == ("jane", "sam", 15)
    assert made["begins"] <= datetime.now(UTC).isoformat()
    assert " sam" in told(by("sam", "show", "jane"))
    assert data(by("sam", "end", "jane", "--json"))["ended_early"] is True
    assert data(by("sam", "end", "jane", "--json")) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start", "jane", "--minutes", "5"), "from 15 to 60 minutes"),
        (("start", "\x07"), "no login name"),
        (("show", "\x1b]0;x\x07"), "no login name"),
        (("start", "jane", "--set", "standing.url=mysql://x/y"), "standing.url"),
    ],
)
def test_what_is_refused(by: Callable[..., Any], arguments: tuple[str, ...], said: str):
    done = by("sam", *arguments)
    assert done.code == 1
    assert said in done.err
    assert done.err.rstrip("\n").replace("\n", "").isprintable()


def test_anothers_break_is_the_operators_alone(by: Callable[..., Any]):
    told(by("sam", "show", "jane"))  # makes the store
    done = by("", "start", "jane", sudo=False)
    assert done.code == 1
    assert "Breaks are one's own" in done.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("start",), ("start", "jane", "--minutes", "x"), ("show", "jane", "--days", "0")],
)
def test_wrong_usage(by: Callable[..., Any], arguments: tuple[str, ...]):
    assert by("sam", *arguments).code == 2
