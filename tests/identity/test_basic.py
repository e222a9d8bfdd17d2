"""Basic: what credentials are, what they prove, and what guessing comes to."""

from __future__ import annotations

import asyncio
import base64
import unicodedata
from typing import TYPE_CHECKING, Any

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ldap import PEOPLE, Slapd
from support.waiting import until

from proxy_addons.identity.basic import (
    FAILURES,
    WINDOW,
    BasicCheck,
    MalformedError,
    parse,
)
from proxy_addons.identity.directory import Directory, WrongPasswordError
from proxy_addons.identity.proof import Proof, Rejection
from proxy_addons.identity.threads import BusyError
from proxy_addons.policy.people import canonical_name
from proxy_addons.settings import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.certificates import WebAuthority
    from support.fixtures import Clock

pytestmark = pytest.mark.usefixtures("nothing_blocks")

SECRETS = {"jane": "jane's password", "zoë": "pässwörd: 雪が降る: too"}
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
REMEMBER = 300.0


def sent(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("basic") / "passwords"
    file.write_text("".join(f"{name}:{CHEAP.hash(word)}\n" for name, word in SECRETS.items()))
    file.chmod(0o600)
    return file


@pytest.fixture
def basic(file: Path, clock: Clock) -> Iterator[BasicCheck]:
    check = BasicCheck(people.Basic(check="file", file=file, remember=REMEMBER), None, clock=clock)
    yield check
    check.close()


@pytest.fixture
def asked(basic: BasicCheck, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each password that is really checked."""
    questions: list[tuple[str, str]] = []
    ask = basic._ask

    async def counted(name: str, password: str) -> str:
        questions.append((name, password))
        return await ask(name, password)

    monkeypatch.setattr(basic, "_ask", counted)
    return questions


def kind(outcome: object) -> str:
    return outcome.kind if isinstance(outcome, Rejection) else "proven"


# What credentials are

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT, TEXT)
def test_name_and_password_come_out_as_they_went_in(name: str, password: str):
    control = any(each < " " or each == "\x7f" for each in name + password)
    try:
        known = None if ":" in name or control else canonical_name(name)
    except ValueError:
        known = None
    if known is None:
        if ":" not in name:
            with pytest.raises(MalformedError):
                parse(sent(name, password))
    else:
        assert parse(sent(name, password)) == (known, unicodedata.normalize("NFC", password))


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_whatever_comes_is_credentials_or_malformed(credentials: str | bytes):
    try:
        name, _ = parse(credentials)
    except MalformedError as problem:
        said = str(problem)
        assert said.startswith(("the credentials", "a login name"))
    else:
        assert canonical_name(name) == name


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "!",
        "amFuZQ==",  # no colon
        "amFuZTp4",  # right: jane:x, so that the others are wrong for their reason
        "amFuZTp4=",
        " amFuZTp4",
        "amFu ZTp4",
        "zoë:x",
        base64.b64encode("zoë:x".encode("latin-1")).decode(),
        base64.b64encode(b":x").decode(),
        base64.b64encode(b"jane:x\0").decode(),
        base64.b64encode(b"ja\nne:x").decode(),
        base64.b64encode(b"jane:" + b"x" * 4096).decode(),
    ],
)
async def test_what_is_malformed(basic: BasicCheck, credentials: str):
    outcome = await basic.check(credentials)
    expected = "wrong-password" if credentials == "amFuZTp4" else "malformed"
    assert kind(outcome) == expected
    assert isinstance(outcome, Rejection)
    assert outcome.claimed == ("jane" if expected == "wrong-password" else None)


# What they prove


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        ("jane", "jane's password", "proven"),
        ("JANE", "jane's password", "proven"),
        ("zoë", "pässwörd: 雪が降る: too", "proven"),
        (
            unicodedata.normalize("NFD", "zoë"),
            unicodedata.normalize("NFD", "pässwörd: 雪が降る: too"),
            "proven",
        ),
        ("zoë", "pässwörd", "wrong-password"),
        ("jane", "", "wrong-password"),
        ("nobody", "jane's password", "wrong-password"),
        ("FORCE\\jane", "jane's password", "wrong-password"),
    ],
)
async def test_whose_password_it_is(
    basic: BasicCheck,
    name: str,
    password: str,
    expected: str,
    as_bytes: bool,
):
    credentials: Any = sent(name, password)
    outcome = await basic.check(credentials.encode() if as_bytes else credentials)
    assert kind(outcome) == expected
    known = canonical_name(name)
    if expected == "proven":
        assert outcome == Proof(known, "basic")
    else:
        assert isinstance(outcome, Rejection)
        assert outcome.claimed == known
        assert not password or password not in repr(outcome)


async def test_what_was_right_is_remembered_for_a_time(
    basic: BasicCheck, clock: Clock, asked: list[Any]
):
    credentials = sent("jane", SECRETS["jane"])
    assert basic.remembered(credentials) is None
    proof = await basic.check(credentials)
    clock.now = REMEMBER - 1
    assert basic.remembered(credentials) == proof == await basic.check(credentials)
    assert basic.remembered(credentials.encode()) == proof
    assert basic.remembered(sent("jane", "another")) is None
    assert len(asked) == 1
    clock.now = REMEMBER
    assert basic.remembered(credentials) is None
    assert await basic.check(credentials) == proof
    assert len(asked) == 2


async def test_nothing_that_is_kept_holds_the_password(basic: BasicCheck):
    await basic.check(sent("jane", SECRETS["jane"]))
    await basic.check(sent("jane", "a wrong one"))
    kept = repr((dict(basic._good), dict(basic._wrong), dict(basic._tries), basic._asked))
    for word in (SECRETS["jane"], "a wrong one", sent("jane", SECRETS["jane"])):
        assert word not in kept
    assert basic._good
    assert basic._wrong


async def test_the_same_sent_many_times_at_once_is_one_question(
    basic: BasicCheck, asked: list[Any]
):
    right, wrong = sent("jane", SECRETS["jane"]), sent("zoë", "wrong")
    outcomes = await asyncio.gather(*(basic.check(each) for each in [right, wrong] * 20))
    assert {kind(each) for each in outcomes[::2]} == {"proven"}
    assert {kind(each) for each in outcomes[1::2]} == {"wrong-password"}
    assert len(asked) == 2
    assert kind(await basic.check(wrong)) == "wrong-password"
    assert len(asked) == 2  # one mistake of a browser, not many


async def test_one_who_gives_up_does_not_end_the_check_of_others(
    basic: BasicCheck, monkeypatch: pytest.MonkeyPatch
):
    answer = asyncio.Event()

    async def ask(name: str, _: str) -> str:
        await answer.wait()
        return name

    monkeypatch.setattr(basic, "_ask", ask)
    credentials = sent("jane", SECRETS["jane"])
    first, second = (asyncio.create_task(basic.check(credentials)) for _ in range(2))
    await until(lambda: basic._asked)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answer.set()
    assert kind(await second) == "proven"


# Guessing


async def guess(basic: BasicCheck, name: str, count: int) -> list[str]:
    return [kind(await basic.check(sent(name, f"guess {each}"))) for each in range(count)]


async def test_after_five_wrong_ones_no_more_are_tried_for_that_name(
    basic: BasicCheck, clock: Clock, asked: list[Any]
):
    assert (
        await guess(basic, "jane", FAILURES + 2) == ["wrong-password"] * FAILURES + ["locked"] * 2
    )
    assert len(asked) == FAILURES
    assert kind(await basic.check(sent("JANE", SECRETS["jane"]))) == "locked"
    assert kind(await basic.check(sent("zoë", SECRETS["zoë"]))) == "proven"
    clock.now = WINDOW - 1
    assert kind(await basic.check(sent("jane", SECRETS["jane"]))) == "locked"
    clock.now = WINDOW
    assert kind(await basic.check(sent("jane", SECRETS["jane"]))) == "proven"


async def test_guesses_made_all_at_once_are_no_more(basic: BasicCheck, asked: list[Any]):
    outcomes = await asyncio.gather(
        *(basic.check(sent("jane", f"guess {each}")) for each in range(40))
    )
    assert len(asked) == FAILURES
    assert sorted(map(kind, outcomes)) == ["locked"] * 35 + ["wrong-password"] * FAILURES


async def test_a_colleagues_guesses_do_not_keep_out_whose_password_was_right(
    basic: BasicCheck, clock: Clock, asked: list[Any]
):
    right = sent("jane", SECRETS["jane"])
    assert kind(await basic.check(right)) == "proven"
    clock.now = REMEMBER
    assert (await guess(basic, "jane", FAILURES + 1))[-1] == "locked"
    assert kind(await basic.check(right)) == "proven"
    assert len(asked) == FAILURES + 2


async def test_a_changed_password_ends_what_was_known(tmp_path: Path, clock: Clock):
    file = tmp_path / "passwords"
    file.write_text(f"jane:{CHEAP.hash('the old one')}\n")
    file.chmod(0o600)
    settings = people.Basic(check="file", file=file, remember=REMEMBER)
    basic = await asyncio.to_thread(BasicCheck, settings, None, clock=clock)
    assert kind(await basic.check(sent("jane", "the old one"))) == "proven"
    new = tmp_path / "new"
    new.write_text(f"jane:{CHEAP.hash('the new one')}\n")
    new.chmod(0o600)
    new.replace(file)
    assert kind(await basic.check(sent("jane", "the old one"))) == "proven"  # for `remember`
    clock.now = REMEMBER
    assert kind(await basic.check(sent("jane", "the old one"))) == "wrong-password"
    assert basic.remembered(sent("jane", "the old one")) is None
    assert kind(await basic.check(sent("jane", "the new one"))) == "proven"
    basic.close()


async def test_a_wrong_one_is_tried_again_after_a_while(
    basic: BasicCheck, clock: Clock, asked: list[Any]
):
    wrong = sent("jane", "not yet")
    await basic.check(wrong)
    clock.now = 29
    await basic.check(wrong)
    assert len(asked) == 1
    clock.now = 30
    await basic.check(wrong)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (BusyError(), "busy"),
        (WrongPasswordError("locked"), "locked"),
        (WrongPasswordError("expired"), "expired"),
        (WrongPasswordError("not-allowed"), "not-allowed"),
    ],
)
async def test_what_else_can_be_said(
    basic: BasicCheck, monkeypatch: pytest.MonkeyPatch, problem: Exception, expected: str
):
    async def ask(*_: object) -> str:
        raise problem

    monkeypatch.setattr(basic, "_ask", ask)
    outcome = await basic.check(sent("jane", "x"))
    assert isinstance(outcome, Rejection)
    assert (outcome.kind, outcome.claimed) == (expected, "jane")


# Against the directory


@pytest.fixture
def with_directory(
    tmp_path: Path, web_authority: WebAuthority, clock: Clock
) -> Iterator[tuple[Slapd, BasicCheck]]:
    certificate = web_authority.leaf("localhost")
    with Slapd(tmp_path / "slapd", certificate=certificate, ca_file=web_authority.file) as server:
        directory = Directory(server.settings(), clock=clock)
        yield server, BasicCheck(people.Basic(remember=REMEMBER), directory, clock=clock)
        directory.close()
        directory._threads._pool.shutdown()
        directory._binds._pool.shutdown()


async def test_a_bind_proves_who_somebody_is(with_directory: tuple[Slapd, BasicCheck]):
    _, basic = with_directory
    for person in PEOPLE[:4]:
        outcome = await basic.check(sent(person.name.upper(), person.password))
        assert outcome == Proof(person.name, "basic")
    for name, password in (("jane", ""), ("jane", "x"), ("left", "left the force"), ("*", "x")):
        assert kind(await basic.check(sent(name, password))) == "wrong-password"


async def test_while_no_server_answers_nobody_new_is_proven_and_nobody_is_blamed(
    with_directory: tuple[Slapd, BasicCheck], clock: Clock
):
    server, basic = with_directory
    right = sent("jane", PEOPLE[0].password)
    proof = await basic.check(right)
    server.kill()
    clock.now = REMEMBER - 1
    assert basic.remembered(right) == proof
    clock.now = REMEMBER
    assert await guess(basic, "jane", FAILURES + 2) == ["unavailable"] * (FAILURES + 2)
    assert kind(await basic.check(right)) == "unavailable"
    server.start()
    clock.now += 10
    assert await basic.check(right) == proof


async def test_the_directory_is_not_asked_about_a_name_that_is_guessed_at(
    with_directory: tuple[Slapd, BasicCheck],
):
    server, basic = with_directory
    assert await guess(basic, "jane", FAILURES) == ["wrong-password"] * FAILURES
    server.kill()
    assert await guess(basic, "jane", FAILURES + 1) == ["wrong-password"] * FAILURES + ["locked"]
    assert kind(await basic.check(sent("boss", "x"))) == "unavailable"


@pytest.mark.parametrize("settings", [people.Basic(), people.Basic(check="file")])
def test_there_must_be_something_to_check_against(settings: people.Basic):
    with pytest.raises(ValueError, match="and there is none"):
        BasicCheck(settings, None)


def test_each_process_remembers_by_a_key_of_its_own(file: Path):
    settings = people.Basic(check="file", file=file)
    keys: Callable[[int], bytes] = iter((b"a" * 32, b"b" * 32)).__next__  # type: ignore[assignment]
    first, second = (BasicCheck(settings, None, random=lambda _: keys()) for _ in range(2))  # type: ignore[call-arg]
    assert first._mark("amFuZTp4") != second._mark("amFuZTp4")
    first.close()
    second.close()
