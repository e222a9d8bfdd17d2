"""Updates: what is fine comes into force, what is odd is held, what is bad changes nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.listserver import Answer, ListServer, names, tarred, tree_of

from proxy_addons.categorisation import (
    CategoryIndex,
    CategoryIndexError,
    CategorySourceError,
    import_lists,
)
from proxy_addons.categorisation.formats import Format
from proxy_addons.categorisation.updates.minisign import PublicKey
from proxy_addons.categorisation.updates.sourcesfile import HoldBack, Source
from proxy_addons.categorisation.updates.updating import Asked, Outcome, Status, Updater
from proxy_addons.categorisation.updates.versions import Versions
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place

START = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)


class Desk:
    """An updater, a publisher, and a clock that goes on by an hour with each step."""

    def __init__(self, place: Place, lists: ListServer) -> None:
        self.lists = lists
        self.moment = START
        place.write({"starter": {"news/domains": "news.test\n"}})
        self.updater = Updater(place.folders, place.index_file, keep=3, now=lambda: self.moment)
        self.versions = Versions(place.folders.lists_dir, "bl")

    def source(self, name: str = "bl", **more: object) -> Source:
        place = self.lists.url(f"{name}.tar.gz")
        return replace(Source(name, place, proxy="direct"), **more)  # type: ignore[arg-type]

    def offer(self, lists: dict[str, str], name: str = "bl", **more: object) -> None:
        self.lists.answers[f"{name}.tar.gz"] = Answer(tarred(lists), **more)  # type: ignore[arg-type]

    def update(self, *sources: Source, **asked: object) -> tuple[Outcome, ...]:
        self.moment += timedelta(hours=1)
        wanted = sources or (self.source(),)
        return self.updater.update(wanted, Asked(**asked))  # type: ignore[arg-type]

    def one(self, **asked: object) -> Outcome:
        (outcome,) = self.update(**asked)
        return outcome

    def categories(self, host: str) -> frozenset[str]:
        index = CategoryIndex.open(self.updater.index_file)
        return index.lookup(url_key(f"https://{host}/"))


@pytest.fixture
def desk(place: Place, lists: ListServer) -> Desk:
    return Desk(place, lists)


GAMES = {"games/domains": names(0, 200), "chat/domains": "chat.test\n"}


def test_a_new_list_comes_into_force(desk: Desk) -> None:
    desk.offer(GAMES)
    outcome = desk.one()
    assert (outcome.status, outcome.version) == (Status.UPDATED, "20261123T031500Z")
    assert desk.versions.in_force() == outcome.version
    assert desk.categories("www.site7.test") == {"games"}
    assert desk.categories("news.test") == {"news"}
    assert desk.updater.compiled is not None
    (version,) = desk.versions.all()
    assert (version.entries, version.reasons) == (201, ())
    assert not list(desk.versions.folder.parent.joinpath(".incoming").iterdir())


def test_what_has_not_changed_is_not_compiled(desk: Desk) -> None:
    desk.offer(GAMES)
    desk.one()
    before = desk.updater.index_file.stat().st_ino
    assert desk.one().status is Status.UNCHANGED
    assert desk.lists.asked[-1] == ("bl.tar.gz", True)
    desk.lists.answers["bl.tar.gz"].validators = False  # it is fetched, and found the same
    assert desk.one(force=True).status is Status.UNCHANGED
    assert desk.lists.asked[-1] == ("bl.tar.gz", False)
    assert desk.updater.index_file.stat().st_ino == before
    assert len(desk.versions.all()) == 1


def test_a_small_change_comes_into_force(desk: Desk) -> None:
    desk.offer(GAMES)
    desk.one()
    desk.offer({**GAMES, "games/domains": names(20, 220)})
    outcome = desk.one()
    assert outcome.status is Status.UPDATED
    assert outcome.difference is not None
    games = outcome.difference.categories["games"]
    assert (games.before, games.after, games.added, games.removed) == (200, 200, 20, 20)
    assert desk.categories("site7.test") == set()
    assert desk.categories("site219.test") == {"games"}


@pytest.mark.parametrize(
    ("offered", "says"),
    [
        (
            {**GAMES, "games/domains": names(60, 200)},
            ["the list loses 60 of 201 entries (30%)", "category games loses 60 of 200"],
        ),
        (
            {**GAMES, "games/domains": names(0, 310)},
            ["the list gains 110 of 201 entries (55%)", "category games gains 110 of 200"],
        ),
        (
            {**GAMES, "games/domains": names(100, 300)},  # as many as before
            ["category games loses 100 of 200 entries (50%)"],
        ),
        (
            {"games/domains": GAMES["games/domains"]},
            ["category chat vanishes with its 1 entries: chat.test"],
        ),
    ],
    ids=["loses", "gains", "exchanged", "vanishes"],
)
def test_an_odd_change_is_held_until_it_is_confirmed(
    offered: dict[str, str], says: list[str], desk: Desk
) -> None:
    desk.offer(GAMES)
    first = desk.one()
    before = desk.updater.index_file.read_bytes()
    desk.offer(offered)
    held = desk.one()
    assert held.status is Status.HELD
    for text in says:
        assert any(str(reason).startswith(text) for reason in held.reasons), held.reasons
    assert desk.versions.in_force() == first.version
    assert desk.updater.index_file.read_bytes() == before
    assert desk.updater.state("bl").held == held.version
    again = desk.one()  # the server says: not modified
    assert (again.status, again.version, again.reasons) == (Status.HELD, held.version, held.reasons)
    desk.updater.put_back("bl", held.version, pin=False)
    assert desk.versions.in_force() == held.version
    assert desk.updater.state("bl").held is None
    assert desk.one().status is Status.UNCHANGED


def test_with_the_word_of_a_person_it_is_not_held(desk: Desk) -> None:
    desk.offer(GAMES)
    desk.one()
    desk.offer({"games/domains": names(150, 200)})
    held = desk.one()
    confirmed = desk.one(confirmed=frozenset({"bl"}))
    assert (confirmed.status, confirmed.version) == (Status.UPDATED, held.version)
    assert desk.categories("site0.test") == set()
    desk.offer(GAMES)
    assert desk.one(confirm_all=True).status is Status.UPDATED


def test_a_held_version_goes_when_the_source_mends_it(desk: Desk) -> None:
    desk.offer(GAMES)
    first = desk.one()
    desk.offer({"games/domains": "only.test\n"})
    bad = desk.one()
    desk.offer({"games/domains": "worse.test\n"})
    worse = desk.one()
    assert worse.status is Status.HELD
    assert worse.version != bad.version
    assert [each.id for each in desk.versions.all()] == [first.version, worse.version]
    desk.offer(GAMES)
    assert desk.one().status is Status.UNCHANGED
    assert [each.id for each in desk.versions.all()] == [first.version]
    assert desk.updater.state("bl").held is None


def test_what_is_held_is_refused_by_going_back_to_what_is_in_force(desk: Desk) -> None:
    desk.offer(GAMES)
    first = desk.one().version
    desk.offer({"games/domains": "only.test\n"})
    assert desk.one().status is Status.HELD
    before = desk.updater.index_file.stat().st_ino
    assert desk.updater.put_back("bl", first, pin=True) == first
    assert desk.updater.state("bl").held is None
    assert [each.id for each in desk.versions.all()] == [first]
    assert desk.updater.index_file.stat().st_ino == before
    assert desk.one().status is Status.PINNED
    desk.updater.unpin("bl")
    assert desk.one().status is Status.HELD


def test_a_server_with_times_alone(desk: Desk) -> None:
    desk.offer(GAMES, validators=False, modified="Sun, 22 Nov 2026 21:00:00 GMT")
    desk.one()
    assert desk.one().status is Status.UNCHANGED
    assert desk.lists.answered == [200, 304]
    desk.offer({**GAMES, "games/domains": names(0, 201)}, modified="Sun, 22 Nov 2026 22:00:00 GMT")
    assert desk.one().status is Status.UPDATED


def test_limits_are_those_of_the_source(desk: Desk) -> None:
    desk.offer(GAMES)
    desk.one()
    desk.offer({**GAMES, "games/domains": names(60, 200)})
    source = desk.source(hold_back=HoldBack(loses=0.31, gains=0.5))
    assert desk.update(source)[0].status is Status.UPDATED


def test_one_failure_does_not_stop_the_others(desk: Desk) -> None:
    desk.offer(GAMES)
    desk.offer({"games/domains": "b.test\n"}, "b")
    desk.lists.answers["c.tar.gz"] = Answer(b"<html>sorry</html>")
    bad, missing, good = desk.update(desk.source("c"), desk.source("d"), desk.source("b"))
    assert [bad.status, missing.status, good.status] == [
        Status.FAILED, Status.FAILED, Status.UPDATED,
    ]  # fmt: skip
    assert bad.why.startswith(f"{desk.lists.url('c.tar.gz')}: not a whole ")
    assert missing.why == "the server answered with status 404"
    assert desk.categories("b.test") == {"games"}
    state = desk.updater.state("d")
    assert (state.failed, state.why) == ("2026-11-23T03:15:00+00:00", missing.why)
    assert state.succeeded is None


@pytest.mark.parametrize("fault", ["cut", "404"])
def test_a_failure_leaves_the_last_good_list(fault: str, desk: Desk) -> None:
    desk.offer(GAMES)
    desk.one()
    before = tree_of(desk.versions.lists_dir / "bl")
    desk.offer({"games/domains": names(0, 210)}, fault=fault)
    assert desk.one().status is Status.FAILED
    assert tree_of(desk.versions.lists_dir / "bl") == before
    assert desk.updater.state("bl").succeeded == "2026-11-23T03:15:00+00:00"
    desk.lists.answers["bl.tar.gz"].fault = ""
    assert desk.one(confirm_all=True).status is Status.UPDATED
    assert desk.updater.state("bl").failed is None


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_checksums(algorithm: str, desk: Desk) -> None:
    desk.offer(GAMES)
    body = desk.lists.answers["bl.tar.gz"].body
    digest = hashlib.new(algorithm, body).hexdigest()
    desk.lists.answers["SUMS"] = Answer(f"{digest}  bl.tar.gz\n".encode())
    source = desk.source(checksum=desk.lists.url("SUMS"))
    assert desk.update(source)[0].status is Status.UPDATED
    desk.offer({**GAMES, "games/domains": names(0, 201)})
    (failed,) = desk.update(source)
    assert failed.why == f"its {algorithm} is not the one that the file of checksums says"
    desk.lists.answers["SUMS"].fault = "404"
    (failed,) = desk.update(source)
    assert failed.why == "SUMS: the server answered with status 404"
    pinned = desk.source(checksum=f"sha256:{hashlib.sha256(body).hexdigest()}")
    (failed,) = desk.update(pinned)
    assert failed.why == "its sha256 is not the one that sources.yaml says"


def minisigned(body: bytes, key: Ed25519PrivateKey) -> tuple[PublicKey, bytes]:
    """The public key, and a signature as minisign makes it."""
    public = PublicKey(b"12345678", key.public_key().public_bytes_raw())
    signed = key.sign(hashlib.blake2b(body).digest())
    overall = key.sign(signed + b"a comment")
    first, second = (base64.b64encode(each) for each in (b"ED12345678" + signed, overall))
    lines = [b"untrusted comment: x", first, b"trusted comment: a comment", second, b""]
    return public, b"\n".join(lines)


def test_signatures(desk: Desk) -> None:
    desk.offer(GAMES)
    body = desk.lists.answers["bl.tar.gz"].body
    public, signature = minisigned(body, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    desk.lists.answers["bl.minisig"] = Answer(signature)
    source = desk.source(signature=desk.lists.url("bl.minisig"), public_key=public)
    assert desk.update(source)[0].status is Status.UPDATED
    desk.offer({**GAMES, "games/domains": names(0, 201)})
    (failed,) = desk.update(source)
    assert failed.why == "the signature does not fit the file"
    desk.lists.answers["bl.minisig"] = Answer(fault="404")
    (failed,) = desk.update(source)
    assert failed.why == "bl.minisig: the server answered with status 404"
    assert desk.categories("site200.test") == set()


def test_going_back_pins(desk: Desk) -> None:
    found = []
    for last in (200, 210, 220, 230, 240):
        desk.offer({**GAMES, "games/domains": names(0, last)})
        found.append(desk.one().version)
    assert [each.id for each in desk.versions.all()] == found[-3:]  # keep=3
    assert desk.categories("site239.test") == {"games"}
    assert desk.updater.put_back("bl", None, pin=True) == found[-2]
    assert desk.categories("site239.test") == set()
    asked = len(desk.lists.asked)
    pinned = desk.one()
    assert pinned.status is Status.PINNED
    assert f"to {found[-2]} by a roll-back" in pinned.why
    assert len(desk.lists.asked) == asked
    assert desk.updater.put_back("bl", found[-3], pin=True) == found[-3]
    assert desk.categories("site219.test") == {"games"}
    assert desk.categories("site220.test") == set()
    assert desk.one(force=True).status is Status.UPDATED
    assert desk.updater.state("bl").pinned is None
    assert desk.categories("site239.test") == {"games"}


def test_what_is_newer_than_a_roll_back_is_kept(desk: Desk) -> None:
    desk.offer(GAMES)
    first = desk.one().version
    desk.offer({**GAMES, "games/domains": names(0, 210)})
    second = desk.one().version
    desk.updater.put_back("bl", None, pin=True)
    desk.updater.unpin("bl")
    desk.lists.answers["bl.tar.gz"].fault = "404"
    assert desk.one().status is Status.FAILED
    assert [each.id for each in desk.versions.all()] == [first, second]


@pytest.mark.parametrize("name", ["lists", "beside", "fetched", "x" * 300, "..x"])
def test_names_of_files_are_the_publishers(name: str, desk: Desk) -> None:
    body = b"one.test\ntwo.test\n"
    digest = hashlib.sha256(body).hexdigest()
    desk.lists.answers |= {name: Answer(body), "SUMS": Answer(digest.encode())}
    source = desk.source(url=desk.lists.url(name), format=Format.DOMAINS, category="games")
    (outcome,) = desk.update(replace(source, checksum=desk.lists.url("SUMS")))
    assert outcome.status is Status.UPDATED, outcome.why
    assert desk.categories("one.test") == {"games"}


def test_a_version_that_was_edited_is_not_gone_back_to(desk: Desk) -> None:
    desk.offer(GAMES)
    first = desk.one().version
    desk.offer({**GAMES, "games/domains": names(0, 210)})
    second = desk.one().version
    assert first is not None
    (desk.versions.tree(first) / "games" / "domains").write_text("mine.test\n")
    with pytest.raises(CategorySourceError, match="were changed since it came"):
        desk.updater.put_back("bl", first, pin=True)
    assert desk.versions.in_force() == second
    assert desk.updater.state("bl").pinned is None


def test_unpinning(desk: Desk) -> None:
    desk.offer(GAMES)
    first = desk.one().version
    desk.offer({**GAMES, "games/domains": names(0, 210)})
    desk.one()
    desk.updater.put_back("bl", None, pin=True)
    assert desk.updater.unpin("bl") == first
    assert desk.updater.unpin("bl") is None
    assert desk.one().status is Status.UPDATED
    assert desk.categories("site209.test") == {"games"}


def test_a_list_that_was_imported_by_hand_can_be_gone_back_to(desk: Desk, tmp_path: Path) -> None:
    archive = tmp_path / "bl.tar.gz"
    archive.write_bytes(tarred(GAMES))
    import_lists(archive, desk.versions.lists_dir)
    assert desk.versions.in_force() is None
    desk.offer({**GAMES, "games/domains": names(0, 210)})
    updated = desk.one()
    by_hand, fetched = sorted(desk.versions.all(), key=lambda each: each.place)
    assert (by_hand.place, fetched.id) == ("", updated.version)
    desk.updater.put_back("bl", by_hand.id, pin=True)
    assert tree_of(desk.versions.lists_dir / "bl")["games/domains"] == names(0, 200).encode()


def test_a_trial_changes_nothing(desk: Desk) -> None:
    desk.offer(GAMES)
    assert desk.one(dry_run=True).status is Status.NEW
    with pytest.raises(CategoryIndexError):
        CategoryIndex.open(desk.updater.index_file)
    desk.one()
    state = (desk.versions.folder / "state.json").read_text()
    desk.offer({"games/domains": "a.test\n"})
    trial = desk.one(dry_run=True)
    assert trial.status is Status.HELD
    assert trial.reasons
    assert len(desk.versions.all()) == 1
    assert (desk.versions.folder / "state.json").read_text() == state


def test_only_what_is_due(desk: Desk) -> None:
    desk.offer(GAMES)
    source = desk.source(every=7200, between=(2 * 60, 6 * 60))
    desk.moment = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
    statuses = [desk.update(source, due=True)[0].status for _ in range(6)]
    assert statuses == [
        Status.NOT_DUE,  # 01:30
        Status.UPDATED,
        Status.NOT_DUE,
        Status.UNCHANGED,  # 04:30
        Status.NOT_DUE,
        Status.NOT_DUE,  # 06:30
    ]


def test_lists_that_cannot_be_compiled_go_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.offer(GAMES)
    first = desk.one()
    before = desk.updater.index_file.read_bytes()
    desk.offer({**GAMES, "games/domains": names(0, 210)})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "categories.index")

    with monkeypatch.context() as patch:
        patch.setattr("proxy_addons.categorisation.compiler.write_index", full)
        failed = desk.one()
    assert failed.status is Status.FAILED
    assert "the lists before stay in force" in failed.why
    assert "No space left on device" in failed.why
    assert desk.versions.in_force() == first.version
    assert desk.updater.index_file.read_bytes() == before
    assert desk.one().status is Status.UPDATED


def test_the_first_list_that_cannot_be_compiled_goes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.offer(GAMES)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("proxy_addons.categorisation.compiler.write_index", full)
        assert desk.one().status is Status.FAILED
    assert not (desk.versions.lists_dir / "bl").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"held": 7}', '{"succeeded": "soon"}'])
def test_a_damaged_state_costs_a_fetch(text: str, desk: Desk) -> None:
    desk.offer(GAMES)
    desk.one()
    (desk.versions.folder / "state.json").write_text(text)
    assert desk.one().status is Status.UNCHANGED
    assert desk.lists.asked[-1] == ("bl.tar.gz", False)


def test_versions_share_what_is_the_same(desk: Desk) -> None:
    desk.offer(GAMES)
    outcome = desk.one()
    assert outcome.version is not None
    kept = desk.versions.tree(outcome.version) / "games" / "domains"
    in_force = desk.versions.lists_dir / "bl" / "games" / "domains"
    assert kept.samefile(in_force)
    desk.offer({**GAMES, "chat/domains": "chat.test\ntalk.test\n"})
    second = desk.one()
    assert second.version is not None
    assert (desk.versions.tree(second.version) / "games" / "domains").samefile(kept)
    chat = [
        desk.versions.tree(each) / "chat" / "domains" for each in (outcome.version, second.version)
    ]
    assert [len(each.read_text().split()) for each in chat] == [1, 2]
    assert desk.categories("talk.test") == {"chat"}
    about = json.loads((desk.versions.folder / outcome.version / "version.json").read_text())
    assert about["place"] == desk.source().url


def test_only_one_at_a_time(desk: Desk) -> None:
    def nested() -> None:
        desk.updater.unpin("bl")

    updater = replace(desk.updater, progress=lambda *_: nested())
    desk.offer(GAMES)
    failed = updater.update((desk.source(),), Asked())[0]
    assert (failed.status, failed.why) == (
        Status.FAILED, "another update or roll-back is running",
    )  # fmt: skip
