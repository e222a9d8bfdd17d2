"""What every `RecordStore` answers: as a plain model does, and nothing of what is out of bounds.

Another engine is tested by another fixture `open_store`.
"""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.recordmodel import Kept, Model, inside
from support.sealkill import SIGNER
from support.segments import write

from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.record import NAMES, empty_record
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.audit.duckstore import DuckStore, Means
from proxy_addons.audit.pseudonym import pseudonym
from proxy_addons.audit.store import At, Bounds, Dimension, Question, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.audit.store import RecordStore

    type World = tuple[RecordStore, Model]

ZONE = ZoneInfo("Europe/London")
BEGIN = datetime(2026, 10, 24, 22, tzinfo=UTC)  # the clock is set back on the 25th at 01:00 UTC
KEY = b"k" * 32
PEOPLE = ("AB1234", "CD5678", "ef9012", None)
HOSTS = ("a.test", "b.a.test", "xa.test", "a.test.example")
CATEGORIES = ("health", "news", "shopping")
URLS = ("https://a.test/x%20_y", "https://a.test/X_Y?q=100%", "http://b.a.test/ä", "b.a.test:443")
CLIENTS = ("192.0.2.1", "2001:db8::1")


def _record(chance: random.Random, seq: int) -> dict[str, Any]:
    minutes = chance.choice((0, 0, 90, 120, 150, 180, 1500, 3000, chance.randrange(3000)))
    start = BEGIN + timedelta(minutes=minutes, microseconds=chance.choice((0, 1, 999_999)))
    return dict(empty_record()) | {
        "schema": 1,
        "event": chance.choice(("transaction",) * 5 + ("open", "open", "gap")),
        "id": f"0TRG-{chance.randrange(60):04d}-4HM6",
        "worker": 1,
        "seq": seq,
        "start": start.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "duration_ms": chance.choice((None, 0.5, 3)),
        "person": chance.choice(PEOPLE),
        "claimed": chance.choice((None, None, "GH3456")),
        "client_ip": chance.choice((*CLIENTS, None)),
        "url": chance.choice((*URLS, None)),
        "host": chance.choice((*HOSTS, None)),
        "categories": chance.sample(CATEGORIES, chance.choice((0, 1, 1, 2))),
        "action": chance.choice(("allow", "coach", "block", None)),
        "rule": chance.choice(("webmail", "games", None)),
        "bytes_up": chance.choice((None, 0, 7)),
        "bytes_down": chance.choice((None, 5_000_000_000)),
        "findings": chance.choice(([], ["file_type=zip"], ["file_type=pdf", "macro=yes"])),
        "counted": chance.choice((None, True, False)),
    }


def records(seed: int, number: int = 240) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [_record(chance, seq) for seq in range(1, number + 1)]


def kept_in(folder: Path, made: list[dict[str, Any]], *, mixed: bool) -> list[Kept]:
    """Write records: a third into a day's Parquet, a third into an hour's, the others live."""
    access, third = folder / "access", len(made) // 3
    kept = []
    parts = [("20261024T22", 0, third), ("20261026T01", third, 2 * third)]
    parts.append(("20261026T03", 2 * third, len(made)))
    for hour, first, end in parts:
        path = write(access, hour, made[first:end])
        kept += [Kept(At(path.name, n), each) for n, each in enumerate(made[first:end])]
        if mixed and hour != "20261026T03":
            now = datetime(2026, 10, 26, 2, tzinfo=UTC).timestamp()
            seals, chance = Seals(folder / "seals"), random.Random(first)
            seal(access, seals, SIGNER, now=now, entropy=chance.randbytes, software="x")
            compact(access, seals, folder / "parquet", now=now)
    return kept


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0  # each look is a second after the one before
        return self.now


def open_store(folder: Path) -> RecordStore:
    (folder / "access").mkdir(parents=True, exist_ok=True)
    return DuckStore(
        folder / "parquet",
        folder / "access",
        zone=ZONE,
        monotonic=Clock(),
        entropy=random.Random(1).randbytes,
        means=Means(memory=200_000_000),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    kept = kept_in(folder, records(1), mixed=True)
    with closing(open_store(folder)) as store:
        yield store, Model(kept, ZONE)


moments = st.sampled_from([0, 1, 90, 120, 150, 180, 1440, 1500, 2000, 3000, 4000]).map(
    lambda minutes: BEGIN + timedelta(minutes=minutes)
)
some_fields = st.one_of(
    st.just(frozenset(NAMES)),
    st.sets(
        st.sampled_from(
            ["start", "person", "host", "url", "categories", "action", "event", "id", "findings"]
        )
    ).map(frozenset),
    st.sampled_from(NAMES).map(lambda name: frozenset(NAMES) - {name}),
)
bounds_of = st.builds(
    Bounds,
    since=st.one_of(st.just(BEGIN), moments),
    until=st.one_of(st.just(BEGIN + timedelta(days=9)), moments),
    fields=some_fields,
    persons=st.one_of(
        st.none(), st.frozensets(st.sampled_from(["AB1234", "CD5678", "ef9012", "nobody"]))
    ),
    categories=st.one_of(st.none(), st.none(), st.frozensets(st.sampled_from(CATEGORIES))),
    special=st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from(CATEGORIES))),
    pseudonyms=st.sampled_from([None, KEY]),
    rows=st.sampled_from([10_000, 10_000, 25, 1]),
)
names = ["", "", "", "AB1234", "CD5678", pseudonym(KEY, "AB1234"), pseudonym(KEY, "ef9012"), "?"]
questions = st.builds(
    Question,
    since=st.one_of(st.none(), st.none(), moments),
    until=st.one_of(st.none(), st.none(), moments),
    person=st.sampled_from(names),
    client=st.sampled_from(["", "", "", *CLIENTS]),
    host=st.sampled_from(["", "", "", "a.test", "test", "xa.test"]),
    category=st.sampled_from(["", "", "", *CATEGORIES]),
    rule=st.sampled_from(["", "", "", "webmail", "' OR 1=1 --"]),
    action=st.sampled_from(["", "", "", "block", "allow"]),
    file_type=st.sampled_from(["", "", "", "zip", "pdf"]),
    text=st.sampled_from(["", "", "", "%", "_Y", "x%20_", "A.TEST", "ä", "zzz"]),
    event=st.sampled_from(["", "", "", "open", "transaction", "gap"]),
    newest_first=st.booleans(),
)
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many
@given(bounds_of, questions, st.sampled_from([1, 7, 1000]))
def test_rows_are_those_of_the_model_page_by_page(
    world: World, bounds: Bounds, question: Question, most: int
):
    store, model = world
    expected = model.rows(bounds, question)[:120]
    bounds = replace(bounds, rows=min(bounds.rows, 120))  # so that pages of one come to an end
    whole = len(model.rows(bounds, question))
    got, after, capped = [], "", False
    if most == 1:
        bounds = replace(bounds, rows=min(bounds.rows, 9))
    while True:
        page = store.rows(bounds, question, most=most, after=after)
        assert len(page.rows) <= most
        got += page.rows
        after, capped = page.after, page.capped
        if not after:
            break
        assert len(page.rows) == most
    assert got == expected[: bounds.rows]
    assert capped == (whole > bounds.rows)
    assert list(store.every(bounds, question)) == got


@many
@given(bounds_of, questions, st.sampled_from(Dimension))
def test_counts_are_those_of_the_model(
    world: World, bounds: Bounds, question: Question, by: Dimension
):
    store, model = world
    expected = model.counts(bounds, question, by)
    assert store.counts(bounds, question, by) == expected
    assert store.counts(bounds, question, by, most=2) == expected[:2]
    assert store.total(bounds, question) == model.total(bounds, question)


@settings(many, max_examples=30)
@given(
    bounds_of,
    st.frozensets(st.sampled_from(["AB1234", "CD5678", "ef9012", "nobody"]), min_size=2),
    st.lists(st.sampled_from([*CATEGORIES, "games"])),
)
def test_quartiles_are_those_of_the_model(
    world: World, bounds: Bounds, persons: frozenset[str], categories: list[str]
):
    store, model = world
    bounds = replace(bounds, persons=persons)
    expected = model.usual(bounds, categories)
    found = store.usual(bounds, categories)
    assert [each.key for each in found] == [each.key for each in expected]
    for one, other in zip(found, expected, strict=True):
        for what in ("records", "octets"):
            given, wanted = getattr(one, what), getattr(other, what)
            assert (given.lower, given.median, given.upper) == pytest.approx(
                (wanted.lower, wanted.median, wanted.upper)
            )


@pytest.mark.parametrize("persons", [None, frozenset[str](), frozenset({"AB1234"})])
def test_of_one_there_are_no_quartiles(world: World, persons: frozenset[str] | None):
    bounds = Bounds(BEGIN, BEGIN + timedelta(days=9), frozenset(NAMES), persons)
    with pytest.raises(ValueError, match="several people"):
        world[0].usual(bounds, ["news"])


@settings(max_examples=12, deadline=None)
@given(bounds_of, questions, st.integers(0, 1000), st.sampled_from(Dimension))
def test_what_is_out_of_bounds_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    bounds: Bounds,
    question: Question,
    seed: int,
    by: Dimension,
):
    made = records(seed, 60)
    other = records(seed + 5000, 60)
    answers = []
    for different in (False, True):
        folder = tmp_path_factory.mktemp("bounds")
        now = [
            replacement
            if different
            and not inside(Kept(At("", 0), each), bounds)
            and not inside(Kept(At("", 0), replacement), bounds)
            else each
            for each, replacement in zip(made, other, strict=True)
        ]
        if different and bounds.fields >= {"event", "id"}:
            # What may not be seen of records inside is changed too.
            hidden = {"reason", "clause", "url", "host", "rule", "client_ip"} - bounds.fields
            now = [each | dict.fromkeys(hidden, "changed") for each in now]
        kept_in(folder, now, mixed=False)
        with closing(open_store(folder)) as store:
            page = store.rows(bounds, question, most=5)
            answers.append(
                (
                    page,
                    list(store.every(bounds, question)),
                    store.counts(bounds, question, by),
                    store.total(bounds, question),
                )
            )
    assert answers[0] == answers[1]


ALL = Bounds(BEGIN - timedelta(days=9), BEGIN + timedelta(days=9), frozenset(NAMES), None)


def test_the_world_has_something_to_find(world: World):
    store, model = world
    assert len(list(store.every(ALL, Question()))) == len(model.rows(ALL, Question())) > 100
    assert any(row.masked for row in store.every(replace(ALL, special={"health"}), Question()))


@pytest.mark.parametrize("change", range(0, 60, 7))
def test_a_changed_cursor_is_refused(world: World, change: int):
    store, _ = world
    after = store.rows(ALL, Question(), most=3).after
    symbol = "A" if after[change] != "A" else "B"
    with pytest.raises(StoreError, match="first page"):
        store.rows(ALL, Question(), most=3, after=after[:change] + symbol + after[change + 1 :])


@pytest.mark.parametrize(
    ("bounds", "question"),
    [
        (replace(ALL, persons=frozenset({"AB1234"})), Question()),
        (replace(ALL, rows=99), Question()),
        (replace(ALL, pseudonyms=KEY), Question()),
        (ALL, Question(action="block")),
    ],
)
def test_a_cursor_of_another_question_is_refused(world: World, bounds: Bounds, question: Question):
    store, _ = world
    after = store.rows(ALL, Question(), most=3).after
    with pytest.raises(StoreError, match="first page"):
        store.rows(bounds, question, most=3, after=after)


@pytest.mark.parametrize("after", ["x", "Ä", "AAAA", "=" * 9])
def test_what_is_no_cursor_is_refused(world: World, after: str):
    store, _ = world
    with pytest.raises(StoreError, match="first page"):
        store.rows(ALL, Question(), most=3, after=after)


def test_new_records_are_seen_at_once_and_counted_once(tmp_path: Path):
    made = records(3, 30)
    for each in made:
        each["event"] = "transaction"
    with closing(open_store(tmp_path)) as store:
        assert store.reach().newest is None
        path = write(tmp_path / "access", "20261024T22", made[:10], mode=0o640)
        assert store.total(ALL, Question()).records == 10
        with path.open("ab") as file:
            file.write(b'{"half": ')  # half a line is no record yet
        assert store.total(ALL, Question()).records == 10
        path.unlink()
        write(tmp_path / "access", "20261024T22", made[:20])
        assert store.total(ALL, Question()).records == 20
        now = BEGIN.timestamp() + 7200
        for hours in (1, 72):
            seals = Seals(tmp_path / "seals")
            seal(tmp_path / "access", seals, SIGNER, now=now, entropy=bytes, software="x")
            compact(tmp_path / "access", seals, tmp_path / "parquet", now=now + hours * 3600)
            assert store.total(ALL, Question()).records == 20
        write(tmp_path / "access", "20261024T22", made[20:], number=2, mode=0o640)
        assert store.total(ALL, Question()).records == 30
        assert store.reach().gaps == ()


def test_a_segment_that_was_given_up_counts_as_far_as_its_mark_says(tmp_path: Path):
    made = records(3, 4)
    with closing(open_store(tmp_path)) as store:
        path = write(tmp_path / "access", "20261024T22", made)
        before = store.total(replace(ALL), Question(event=made[0]["event"])).records
        assert before >= 1
        good = len(path.read_bytes().splitlines(keepends=True)[0])
        (tmp_path / "access" / f"{path.name}.broken").write_text(f'{{"good_bytes": {good}}}')
        rows = [row.at.line for event in ("transaction", "open", "gap")
                for row in store.every(ALL, Question(event=event))]  # fmt: skip
        assert rows == [0]


def test_lines_that_are_no_records_are_named(tmp_path: Path):
    path = write(tmp_path / "access", "20261024T22", records(3, 2), mode=0o640)
    with path.open("ab") as file:
        file.write(b'no record\n{"seq": "x", "start": "2026-10-24T22:00:00.000000Z"}\n')
    with closing(open_store(tmp_path)) as store:
        assert store.reach().gaps == (f"{path.name}: 2 lines that are no records",)


@pytest.mark.parametrize("harm", ["gone", "changed", "cut", "index"])
def test_a_damaged_file_is_never_a_short_answer(tmp_path: Path, harm: str):
    kept_in(tmp_path, records(2, 30), mixed=True)
    path = next((tmp_path / "parquet" / "days").iterdir())
    data = path.read_bytes()
    path.unlink()
    if harm == "changed":
        path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    elif harm == "cut":
        path.write_bytes(data[:-1])
    elif harm == "index":
        path.write_bytes(data)
        index = tmp_path / "parquet" / "index.json"
        text = index.read_text()[:-9]
        index.unlink()
        index.write_text(text)
    with closing(open_store(tmp_path)) as store, pytest.raises(StoreError) as raised:
        store.total(ALL, Question())
    assert "log compact" in str(raised.value)


def test_the_engine_reads_nothing_but_its_folder(tmp_path: Path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    (tmp_path / "parquet").mkdir()
    with closing(open_store(tmp_path)) as store:
        for text in (
            f"SELECT * FROM read_csv('{secret}')",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            "SET enable_external_access = true",
            "SET memory_limit = '9GB'",
            "INSTALL httpfs",
        ):
            with pytest.raises(Exception, match=r"(?i)permission|locked|cannot|disabled|not allow"):
                store._store.execute(text)  # type: ignore[attr-defined]
