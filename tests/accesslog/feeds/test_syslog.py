"""Syslog by TLS to a real rsyslogd: cut off, stopped, killed; nothing lost, twice only marked."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.certificates import WebAuthority
from support.cutting import Cutting
from support.feeding import Log, delivery, until_idle
from support.rsyslog import Rsyslog, port_apart
from support.waiting import come_about

from proxy_addons.accesslog.feeds.tlspipe import TlsPipe
from proxy_addons.accesslog.feeds.ways import Failed, tls_context
from proxy_addons.settings.feeds import Feed, FeedTls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def receiver(tmp_path: Path, authority: WebAuthority) -> Iterator[Rsyslog]:
    leaf = authority.leaf("siem.test")
    with Rsyslog(tmp_path / "rsyslog", leaf, authority.file, port_apart()) as running:
        yield running


@pytest.fixture
def line(receiver: Rsyslog) -> Iterator[Cutting]:
    with Cutting(receiver.port) as cutting:
        yield cutting


@pytest.fixture
def feed(line: Cutting, authority: WebAuthority) -> Feed:
    tls = FeedTls(ca_file=authority.file, name="siem.test")
    return Feed(
        "siem", "syslog", "rfc5424", host="127.0.0.1", port=line.port, tls=tls, timeout=2,
        beginning="beginning", records=50,
    )  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "data")


def arrived(receiver: Rsyslog, log: Log) -> Counter[tuple[str, str]]:
    """How often each record came unmarked, once all have come; fails if one has not."""

    def all_there() -> bool:
        there = {(each.get("worker"), each.get("seq")) for each in receiver.kept()}
        return set(log.identities()) <= there

    come_about(all_there)
    return Counter(
        (each["worker"], each["seq"])
        for each in receiver.kept()
        if "seq" in each and each.get("resent") != "1"
    )


def killed(_: object) -> None:
    raise OSError("killed")


def cut(receiver: Rsyslog, line: Cutting, chance: random.Random) -> None:
    del receiver
    line.after = chance.randrange(0, 60_000)


def cut_now(receiver: Rsyslog, line: Cutting, chance: random.Random) -> None:
    del receiver, chance
    line.cut()


def stop(receiver: Rsyslog, line: Cutting, chance: random.Random) -> None:
    del line, chance
    receiver.stop()


def kill(receiver: Rsyslog, line: Cutting, chance: random.Random) -> None:
    del line, chance
    receiver.kill()


@pytest.mark.parametrize("harm", [cut, cut_now, stop, kill])
def test_nothing_is_lost_and_nothing_twice_unmarked(
    harm: Callable[[Rsyslog, Cutting, random.Random], None],
    receiver: Rsyslog,
    line: Cutting,
    feed: Feed,
    log: Log,
):
    chance = random.Random(7)
    made = delivery(feed, log)
    for _ in range(3):
        log.write(70, worker=1)
        log.write(30, worker=2)
        for _ in range(chance.randrange(3)):
            made.step()
        harm(receiver, line, chance)
        made.step()
        made.step()
        if receiver._process is None:
            receiver.start()
        until_idle(made)
    made.close()
    unmarked = arrived(receiver, log)
    assert max(unmarked.values()) == 1


def test_a_batch_of_which_the_receiver_has_a_part_comes_again_marked(
    receiver: Rsyslog, line: Cutting, feed: Feed, log: Log
):
    log.write(50)
    line.after = 40_000
    made = delivery(feed, log)
    made.step()
    come_about(receiver.kept)
    had = len(receiver.kept())
    assert 0 < had < 50
    until_idle(made)
    made.close()
    come_about(lambda: len(receiver.kept()) == had + 50)
    assert len(arrived(receiver, log)) == had
    assert max(arrived(receiver, log).values()) == 1


def test_without_harm_everything_comes_once_and_unmarked(receiver: Rsyslog, feed: Feed, log: Log):
    made = delivery(feed, log)
    log.write(120)
    until_idle(made)
    assert arrived(receiver, log) == Counter(log.identities())
    assert len(receiver.kept()) == 120
    assert made.progress.repeated == 0
    assert made.progress.delivered == 120
    made.close()


def test_a_feeder_that_is_cut_off_between_sending_and_noting_marks_what_it_sends_again(
    receiver: Rsyslog, feed: Feed, log: Log
):
    log.write(20)
    first = delivery(feed, log)
    first._save = killed  # type: ignore[method-assign]
    first.step()
    first.close()
    second = delivery(feed, log)
    until_idle(second)
    second.close()
    come_about(lambda: len(receiver.kept()) == 40)
    assert arrived(receiver, log) == Counter(log.identities())
    assert second.progress.repeated == 20


def test_what_a_receiver_read_and_did_not_keep_is_sent_again_marked(
    receiver: Rsyslog, feed: Feed, log: Log
):
    made = delivery(feed, log)
    log.write(10)
    until_idle(made)
    come_about(lambda: len(receiver.kept()) == 10)
    receiver.kill()
    (receiver.folder / "kept").unlink()  # as if it had been in its memory only
    receiver.start()
    come_about(lambda: made.step() and bool(made.progress.problem))
    until_idle(made)
    made.close()
    come_about(lambda: len(receiver.kept()) == 10)
    assert {each["resent"] for each in receiver.kept()} == {"1"}


def test_what_a_receiver_has_had_for_long_is_not_sent_again(
    receiver: Rsyslog, feed: Feed, log: Log
):
    now = [1e9]
    made = delivery(feed, log, lambda: now[0])
    log.write(10)
    until_idle(made)
    now[0] += feed.resend + 1
    made.step()  # sees that the receiver is still there
    receiver.kill()
    receiver.start()
    made.step()
    until_idle(made)
    assert made.progress.delivered == 10
    made.close()


def test_a_receiver_that_nobody_vouches_for_gets_nothing(
    receiver: Rsyslog, feed: Feed, log: Log, tmp_path: Path
):
    other = tmp_path / "other"
    other.mkdir()
    for tls in (
        FeedTls(ca_file=WebAuthority(other, "Somebody Else").file, name="siem.test"),
        FeedTls(ca_file=feed.tls.ca_file, name="another.test"),
    ):
        made = delivery(
            Feed(**{**_values(feed), "name": tls.name.replace(".", "-"), "tls": tls}), log
        )
        log.write(1)
        made.step()
        assert "is not trusted" in made.progress.problem
        made.close()
    assert receiver.kept() == []


def test_a_receiver_without_a_close_notify_stops_the_feed_or_is_believed(
    tmp_path: Path, authority: WebAuthority, log: Log
):
    leaf = authority.leaf("siem.test")
    tls = FeedTls(ca_file=authority.file, name="siem.test")
    port = port_apart()
    with Rsyslog(tmp_path / "gtls", leaf, authority.file, port, "gtls") as receiver:
        strict = Feed("a", "syslog", "ecs", host="127.0.0.1", port=port, tls=tls, timeout=2,
                      beginning="beginning")  # fmt: skip
        log.write(5)
        made = delivery(strict, log)
        for _ in range(12):
            made.step()
        assert "confirm: tcp" in made.progress.stopped
        made.close()
        lax = Feed(**{**_values(strict), "name": "b", "confirm": "tcp"})
        made = delivery(lax, log)
        until_idle(made)
        assert made.progress.delivered == 5
        made.close()
        come_about(lambda: len(receiver.kept()) >= 10)


def test_a_receiver_that_goes_down_by_itself_has_not_confirmed(
    receiver: Rsyslog, authority: WebAuthority
):
    pipe = TlsPipe("127.0.0.1", receiver.port, tls_context(FeedTls(authority.file)), "siem.test", 2)
    pipe.send(b"5 <110>")
    receiver.stop()
    with pytest.raises(Failed):
        pipe.finish()


def _values(feed: Feed) -> dict[str, object]:
    return {name: getattr(feed, name) for name in feed.__dataclass_fields__}
