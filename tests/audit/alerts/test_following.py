"""Following the log: cut off at every step, with a store that is down, from the beginning."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.alerting import BEGIN, alert, made

from proxy_addons.accesslog.feeds.source import Source
from proxy_addons.accesslog.segment import ENDED_MODE, OPEN_MODE, SegmentName
from proxy_addons.audit.alerts import checkpoint, following
from proxy_addons.audit.alerts.checkpoint import Checkpoint
from proxy_addons.audit.alerts.counting import Counting
from proxy_addons.audit.alerts.following import Following
from proxy_addons.settings.load import load
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.audit.alerts.windows import Episode

ROOT = Path(__file__).parents[3]
POLICY = load(ROOT / "config", environ={}).policy


class Cut(BaseException):
    """Stands for the end of the process."""


@dataclass
class Queue:
    """Takes episodes as the store does: whole values, under their keys."""

    held: dict[Any, Episode] = field(default_factory=dict)
    down: bool = False

    def write(self, episodes: Iterable[Episode]) -> int:
        if self.down:
            raise StandingUnavailableError("down")
        before = len(self.held)
        self.held.update({each.key: each for each in episodes})
        return len(self.held) - before


@dataclass
class Log:
    folder: Path
    seq: dict[int, int] = field(default_factory=dict)

    def write(self, minutes: list[float], worker: int = 1, *, ended: bool = False) -> None:
        plain = self.folder / "access"
        plain.mkdir(parents=True, exist_ok=True)
        for at in minutes:
            hour = (BEGIN + timedelta(minutes=at)).strftime("%Y%m%dT%H")
            path = plain / str(SegmentName(hour, worker, 1))
            self.seq[worker] = self.seq.get(worker, 0) + 1
            with path.open("ab") as file:
                file.write(orjson.dumps(made(self.seq[worker], at, worker)) + b"\n")
            path.chmod(ENDED_MODE if ended else OPEN_MODE)

    def follower(self, queue: Queue, minute: float = 0, **more: Any) -> Following:
        wanted = alert(**{"threshold": 3, "within": 10, "quiet": 20, **more})
        return Following(
            Source(self.folder / "access", self.folder / "sealed"),
            Checkpoint(self.folder / "alerts"),
            Counting([wanted], POLICY),
            queue,  # type: ignore[arg-type] - it has what is called of one
            wanted.within,
            (BEGIN + timedelta(minutes=minute)).timestamp,
        )


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def until_idle(made: Following) -> None:
    for _ in range(500):
        if made.step():
            return
    raise AssertionError("it does not come to an end")


def told(queue: Queue) -> list[tuple[int, int, int]]:
    return sorted((each.start, each.records, each.amount) for each in queue.held.values())


MINUTES = [0, 1, 2, 3, 25, 26, 27, 28, 30, 60, 61, 62]


def test_cut_off_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before and after each thing that outlives the process: the same alerts, none twice."""
    monkeypatch.setattr(following, "_RECORDS", 2)
    monkeypatch.setattr(following, "_KEEP_AFTER", 3)
    whole, plain = Log(tmp_path / "whole"), Queue()
    whole.write(MINUTES)
    whole.write(MINUTES, 2)
    until_idle(whole.follower(plain))
    assert len(plain.held) == 3
    counter = 0
    limit = 0

    def cut_around(name: str, owner: Any) -> None:
        inner = getattr(owner, name)

        def wrapped(*given: Any, **more: Any) -> Any:
            nonlocal counter
            counter += 1
            if counter == limit:
                raise Cut
            result = inner(*given, **more)
            counter += 1
            if counter == limit:
                raise Cut
            return result

        monkeypatch.setattr(owner, name, wrapped)

    for name, owner in (("put", checkpoint), ("save", checkpoint), ("write", Queue)):
        cut_around(name, owner)
    cuts = 0
    for limit in range(1, 200):
        counter = 0
        log, queue = Log(tmp_path / str(limit)), Queue()
        log.write(MINUTES)
        log.write(MINUTES, 2)
        try:
            until_idle(log.follower(queue))
            break
        except Cut:
            cuts += 1
        until_idle(log.follower(queue))
        assert told(queue) == told(plain), limit
    assert cuts > 30


def test_a_store_that_does_not_answer_loses_nothing(log: Log):
    queue = Queue(down=True)
    log.write([0, 1, 2])
    made_one = log.follower(queue)
    assert made_one.step() > 0
    assert "down" in made_one.progress.problem
    log.write([3])
    assert made_one.step() > 0
    made_one.close()  # and the process ends meanwhile
    queue.down = False
    until_idle(log.follower(queue))
    assert [records for _, records, _ in told(queue)] == [4]


def test_the_first_start_reads_back_as_far_as_the_longest_window(log: Log):
    log.write([-300, -299, -298], ended=True)
    log.write([-2, -1])
    queue = Queue()
    made_one = log.follower(queue, minute=1)
    until_idle(made_one)
    assert queue.held == {}
    log.write([0])
    until_idle(made_one)
    assert [records for _, records, _ in told(queue)] == [3]


def test_a_damaged_state_stands_still_and_says_what_to_do(log: Log):
    log.write([0, 1])
    first = log.follower(Queue())
    until_idle(first)
    first.close()
    (log.folder / "alerts" / "counted.json").write_text("{}")
    again = log.follower(Queue())
    again.step()
    assert "or remove it" in again.progress.stopped


def test_a_record_that_was_written_again_counts_once(log: Log):
    """A segment was given up: its end stands in the next one, too."""
    log.write([0, 1])
    queue = Queue()
    first = log.follower(queue)
    until_idle(first)
    log.seq[1] -= 1
    again = log.folder / "access" / str(SegmentName("20261121T20", 1, 2))
    again.write_bytes(orjson.dumps(made(2, 1)) + b"\n")
    until_idle(first)
    assert queue.held == {}


def test_it_says_how_old_is_what_waits(log: Log):
    queue = Queue()
    log.write([0, 1, 2])
    made = log.follower(queue, minute=30)
    until_idle(made)
    assert made.progress.oldest == 0.0
    queue.down = True
    log.write([20, 21, 22])
    assert made.step() > 0, "it waits for the store"
    assert made.progress.oldest == (BEGIN + timedelta(minutes=20)).timestamp()
    assert made.step() > 0
    assert made.progress.oldest == (BEGIN + timedelta(minutes=20)).timestamp()
    queue.down = False
    until_idle(made)
    assert made.progress.oldest == 0.0
