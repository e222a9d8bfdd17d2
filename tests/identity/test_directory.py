"""The directory against a real slapd: who is found, who is not, and what if it is away."""

from __future__ import annotations

import asyncio
import threading
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from support.certificates import WebAuthority
from support.ldap import (
    CROWD,
    MANY_GROUPS,
    SERVICE_PASSWORD,
    Slapd,
    Someone,
    deaf_server,
    message_like,
    result,
    scripted,
)
from support.waiting import until

from proxy_addons.identity.directory import (
    Directory,
    DirectorySettingsError,
    DirectoryUnavailableError,
    Entry,
    Found,
    WrongPasswordError,
)
from proxy_addons.identity.link import ldap3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from support.fixtures import Clock

    from proxy_addons.settings import people

pytestmark = pytest.mark.usefixtures("nothing_blocks")

JANE = Entry(
    name="jane",
    dn="uid=jane,ou=people,dc=force,dc=test",
    display="Jane Doe",
    unit="Major Crime",
    manager="boss",
    kind="officer",
    groups=frozenset({"detectives", "major crime", "all staff", "circle a", "circle b"}),
)
ANYWHERE = "127.0.0.1"


@pytest.fixture
def open_directory(clock: Clock) -> Iterator[Callable[[people.Directory], Directory]]:
    """Opens directories on the test's clock; what a test leaves open ends with it."""
    opened: list[Directory] = []

    def begin(settings: people.Directory) -> Directory:
        opened.append(Directory(settings, clock=clock))
        return opened[-1]

    yield begin
    for directory in opened:
        directory.close()
        directory._threads._pool.shutdown()
        directory._binds._pool.shutdown()


@pytest.fixture
def directory(ldap: Slapd, open_directory: Callable[..., Directory]) -> Directory:
    return open_directory(ldap.settings())


@pytest.fixture
def mortal(tmp_path: Path, web_authority: WebAuthority) -> Iterator[Slapd]:
    """A server for tests that change or kill it."""
    certificate = web_authority.leaf("localhost")
    with Slapd(tmp_path / "mortal", certificate=certificate, ca_file=web_authority.file) as server:
        yield server


async def problem_of(directory: Directory, name: str = "jane") -> str:
    """Why nobody can be looked up."""
    with pytest.raises(DirectoryUnavailableError) as problem:
        await directory.look_up(name)
    return str(problem.value)


# Who is found


@pytest.mark.parametrize("way", ["ldap_url", "ldaps_url"])
async def test_a_person_with_nested_groups(
    ldap: Slapd, open_directory: Callable[..., Directory], way: str
):
    directory = open_directory(ldap.settings(servers=(getattr(ldap, way),)))
    assert directory.cached("jane") is None
    assert await directory.look_up("jane") == Found(JANE, fresh=True)
    assert directory.cached("jane") == Found(JANE, fresh=True)
    assert (await directory.look_up("JANE ")).entry == JANE


@pytest.mark.parametrize(
    ("base", "groups"),
    [("ou=groups,dc=force,dc=test", JANE.groups), ("ou=people,dc=force,dc=test", frozenset())],
)
async def test_only_groups_under_their_base_count(
    ldap: Slapd, open_directory: Callable[..., Directory], base: str, groups: frozenset[str]
):
    entry = (await open_directory(ldap.settings(group_base=base)).look_up("jane")).entry
    assert entry is not None
    assert entry.groups == groups


@pytest.mark.parametrize(
    ("name", "display"),
    [
        ("zoë", "Zoë Ångström"),
        (unicodedata.normalize("NFD", "ZOË"), "Zoë Ångström"),
        (r"odd*()\name", "Odd Name"),
        ("boss", "Bo Oss"),
    ],
)
async def test_whatever_a_name_holds_its_owner_is_found(
    directory: Directory, name: str, display: str
):
    entry = (await directory.look_up(name)).entry
    assert entry is not None
    assert entry.display == display


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "*",
        "jan*",
        "jane)(uid=*",
        "",
        "jane\0",
        "left",  # disabled, as Active Directory says it
        "jane doe",  # the server takes it for `jane  doe`, and that is another name
        "zoe",
        "\udcff",
    ],
)
async def test_who_is_nobody(directory: Directory, name: str):
    assert await directory.look_up(name) == Found(None, fresh=True)


async def test_a_name_that_two_entries_have_is_nobodys(directory: Directory):
    with structlog.testing.capture_logs() as logged:
        assert await directory.look_up("twice") == Found(None, fresh=True)
    assert [line["event"] for line in logged] == [
        "directory: more than one entry has a login name, so nobody has it"
    ]
    assert len(logged[0]["entries"]) == 2


async def test_attributes_as_active_directory_names_them(
    ldap: Slapd, open_directory: Callable[..., Directory]
):
    settings = ldap.settings(
        person_filter="(&(objectClass=person)(sAMAccountName={name}))",
        name_attribute="sAMAccountName",
    )
    assert (await open_directory(settings).look_up("jane")).entry == JANE


@pytest.mark.parametrize("page_size", [50, 7, 1])
async def test_more_groups_and_people_than_come_at_once(
    ldap: Slapd, open_directory: Callable[..., Directory], page_size: int
):
    directory = open_directory(ldap.settings(page_size=page_size))
    boss = (await directory.look_up("boss")).entry
    assert boss is not None
    assert boss.groups == {"major crime", "all staff"} | {name.casefold() for name in MANY_GROUPS}
    team = await directory.people_of("Boss")
    assert [entry.name for entry in team] == sorted(
        [person.name for person in CROWD] + ["jane", "zoë"]
    )
    jane = next(entry for entry in team if entry.name == "jane")
    assert (jane.display, jane.manager, jane.groups) == ("Jane Doe", "boss", frozenset())


async def test_people_of_somebody_who_has_none(directory: Directory):
    assert await directory.people_of("jane") == ()
    assert await directory.people_of("nobody") == ()
    assert await directory.people_of("\0") == ()


async def test_groups_deeper_than_anybody_means_are_an_error_and_not_fewer_groups(
    directory: Directory,
):
    assert "nested more than 32 deep" in await problem_of(directory, "deep")


# Passwords


@pytest.mark.parametrize("way", ["ldap_url", "ldaps_url"])
@pytest.mark.parametrize(
    ("name", "password", "right"),
    [
        ("jane", "jane's long password", True),
        ("zoë", "pässwörd: 雪が降る", True),
        ("boss", "the boss: knows", True),
        (r"odd*()\name", "an odd password", True),
        ("squared", "four is 2² or so", True),
        ("squared", "four is 22 or so", False),  # the same by SASLprep (RFC 4013)
        ("jane", "jane's long password ", False),
        ("jane", "the boss: knows", False),
        ("jane", "", False),  # the server would say yes (RFC 4513 5.1.2)
        ("jane", "\N{SOFT HYPHEN}", False),  # empty by SASLprep
        ("nobody", "jane's long password", False),
        ("", "", False),
        ("left", "left the force", False),
        ("twice", "first of two", False),
    ],
)
async def test_whose_password_it_is(
    ldap: Slapd,
    open_directory: Callable[..., Directory],
    way: str,
    name: str,
    password: str,
    right: bool,
):
    directory = open_directory(ldap.settings(servers=(getattr(ldap, way),)))
    if right:
        entry = await directory.bind(name, password)
        assert directory.cached(entry.name) == Found(entry, fresh=True)
    else:
        with pytest.raises(WrongPasswordError) as wrong:
            await directory.bind(name, password)
        assert wrong.value.kind == "wrong-password"
        assert not password or password not in str(wrong.value)


async def test_guessed_names_push_nobody_out_and_who_has_left_is_noticed(
    directory: Directory, clock: Clock
):
    await directory.look_up("jane")
    for name in ("nobody", "left"):
        with pytest.raises(WrongPasswordError):
            await directory.bind(name, "whatever")
        assert directory.cached(name) is None
    directory._people.put("left", JANE)  # as it was before
    with pytest.raises(WrongPasswordError):
        await directory.bind("left", "left the force")
    assert directory.cached("left") == Found(None, fresh=True)
    clock.now = 1
    assert directory.cached("jane") == Found(JANE, fresh=True)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("data 52e, v2580", "wrong-password"),
        ("data 775, v2580", "locked"),
        ("data 532, v2580", "expired"),
        ("data 773, v2580", "expired"),
        ("data 701, v2580", "expired"),
        ("data 533, v2580", "not-allowed"),
    ],
)
def test_why_active_directory_refuses_a_password(
    ldap: Slapd, open_directory: Callable[..., Directory], said: str, kind: str
):
    """As [MS-ERREF] and Microsoft's documents give its texts: none was asked."""
    text = f"80090308: LdapErr: DSID-0C09, AcceptSecurityContext error, {said}"
    with scripted(lambda sent: [message_like(sent, result(0x61, 49, text))]) as server:
        directory = open_directory(
            ldap.settings(servers=(f"ldap://{ANYWHERE}:{server.port}",), start_tls=False)
        )
        with pytest.raises(WrongPasswordError) as wrong:
            directory._servers.prove("cn=x", "secret")
    assert wrong.value.kind == kind


@pytest.mark.parametrize("code", [32, 51, 80])
async def test_an_odd_answer_to_one_sign_in_does_not_end_the_questions_of_others(
    ldap: Slapd, open_directory: Callable[..., Directory], code: int
):
    with scripted(lambda sent: [message_like(sent, result(0x61, code))]) as server:
        directory = open_directory(
            ldap.settings(servers=(f"ldap://{ANYWHERE}:{server.port}",), start_tls=False)
        )
        for _ in range(2):
            with pytest.raises(DirectoryUnavailableError, match="to a sign-in"):
                await asyncio.to_thread(directory._servers.prove, "cn=x", "secret")


async def test_a_flood_of_passwords_keeps_nobody_from_their_groups(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
):
    gate = threading.Event()
    monkeypatch.setattr(directory._servers, "prove", lambda *_: gate.wait(20))
    binds = [asyncio.create_task(directory.bind("jane", "x")) for _ in range(64)]
    await until(lambda: directory._binds._waiting == 64)
    with pytest.raises(DirectoryUnavailableError):
        await directory.bind("jane", "x")
    assert (await directory.look_up("zoë")).entry is not None
    gate.set()
    await asyncio.gather(*binds)


# Certificates


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, WebAuthority]:
    return {name: WebAuthority(tmp_path_factory.mktemp(name), name) for name in ("ours", "another")}


@pytest.fixture(scope="module")
def bad_servers(
    tmp_path_factory: pytest.TempPathFactory, authorities: dict[str, WebAuthority]
) -> Iterator[dict[str, Slapd]]:
    folder = tmp_path_factory.mktemp("bad-servers")
    leaves = {
        "another authority": authorities["another"].leaf("localhost"),
        "another name": authorities["ours"].leaf("other.test"),
        "expired": authorities["ours"].leaf("localhost", expired=True),
        "no TLS": None,
    }
    servers = {
        name: Slapd(folder / name.replace(" ", "-"), certificate=leaf, everybody=(), groups={})
        for name, leaf in leaves.items()
    }
    for server in servers.values():
        server.start()
    yield servers
    for server in servers.values():
        server.kill()


@pytest.mark.parametrize("way", ["ldap_url", "ldaps_url"])
@pytest.mark.parametrize(
    ("which", "problem"),
    [
        ("another authority", "certificate is not accepted: self-signed certificate"),
        ("another name", "certificate is not valid for 'localhost'"),
        ("expired", "certificate has expired"),
        ("no TLS", "StartTLS|startTLS|refuses connections"),
    ],
)
async def test_no_password_is_sent_to_a_server_that_is_not_the_one(
    bad_servers: dict[str, Slapd],
    authorities: dict[str, WebAuthority],
    open_directory: Callable[..., Directory],
    way: str,
    which: str,
    problem: str,
):
    server = bad_servers[which]
    settings = server.settings(
        servers=(getattr(server, way),), ca_file=authorities["ours"].file, start_tls=True
    )
    directory = open_directory(settings)
    with pytest.raises(DirectoryUnavailableError, match=problem):
        await directory.look_up("jane")


async def test_an_address_is_checked_as_a_name_is(
    ldap: Slapd, open_directory: Callable[..., Directory]
):
    directory = open_directory(ldap.settings(servers=(f"ldaps://127.0.0.1:{ldap.tls_port}",)))
    assert "not valid for '127.0.0.1'" in await problem_of(directory)


@pytest.mark.parametrize("reply", [result(0x78, 2, "no"), result(0x78, 0), b"\x02\x01\x00"])
async def test_where_tls_does_not_begin_nothing_is_said_in_the_clear(
    ldap: Slapd, open_directory: Callable[..., Directory], reply: bytes
):
    """Somebody in between who answers StartTLS for the server, with no or with yes."""
    with scripted(lambda sent: [message_like(sent, reply)]) as server:
        directory = open_directory(
            ldap.settings(servers=(f"ldap://localhost:{server.port}",), timeout=2.0)
        )
        await problem_of(directory)
        with pytest.raises(DirectoryUnavailableError):
            await directory.bind("jane", "jane's long password")
        assert b"1.3.6.1.4.1.1466.20037" in server.heard  # StartTLS was asked for
        assert SERVICE_PASSWORD.encode() not in server.heard
        assert b"jane" not in server.heard


async def test_tls_that_silently_does_not_begin_is_noticed(
    ldap: Slapd, open_directory: Callable[..., Directory], monkeypatch: pytest.MonkeyPatch
):
    """ldap3 says some failures of StartTLS by a return value alone."""
    monkeypatch.setattr(ldap3.Connection, "start_tls", lambda *_, **__: False)
    with scripted(lambda sent: [message_like(sent, result(0x61, 0))]) as server:
        directory = open_directory(ldap.settings(servers=(f"ldap://localhost:{server.port}",)))
        assert "it does not start TLS" in await problem_of(directory)
        assert server.heard == b""


# Servers that are away


def endless(_: bytes) -> Iterable[bytes]:
    """The beginning of a long message, a byte at a time."""
    yield b"\x30\x84\x00\xff\xff\xff"
    while True:
        yield b"\x02"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (endless, "does not answer in time"),
        (lambda _: [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 200], "is no LDAP|in time"),
        (lambda _: [b"\x30\x05\x02\x01\x00\x61\x00"], "is no LDAP|invalid messageId"),
        (lambda sent: [message_like(sent, result(0x65, 0))], "to a bind|is no LDAP"),
        (lambda sent: [message_like(sent, result(0x61, 51))], "refuses the service account"),
    ],
)
async def test_whatever_a_server_answers_it_ends_in_time(
    ldap: Slapd,
    open_directory: Callable[..., Directory],
    answer: Callable[[bytes], Iterable[bytes]],
    problem: str,
):
    with scripted(answer) as server:
        directory = open_directory(
            ldap.settings(
                servers=(f"ldap://{ANYWHERE}:{server.port}",), start_tls=False, timeout=1.0
            )
        )
        with pytest.raises(DirectoryUnavailableError, match=problem):
            await directory.look_up("jane")


@pytest.mark.parametrize("way", ["ldap", "ldaps"])
async def test_a_server_that_never_answers_costs_its_time_once(
    ldap: Slapd, open_directory: Callable[..., Directory], way: str
):
    second = ldap.ldap_url if way == "ldap" else ldap.ldaps_url
    with deaf_server() as port, structlog.testing.capture_logs() as logged:
        directory = open_directory(
            ldap.settings(servers=(f"{way}://localhost:{port}", second), timeout=1.5)
        )
        assert await directory.look_up("jane") == Found(JANE, fresh=True)
        assert (await directory.look_up("zoë")).entry is not None
        assert [line["event"] for line in logged] == ["directory: a server does not work"]
        assert logged[0]["problem"] == "it does not answer in time"


async def test_the_second_server_is_used_and_the_first_again_when_it_is_back(
    tmp_path: Path, mortal: Slapd, open_directory: Callable[..., Directory], clock: Clock
):
    with Slapd(
        tmp_path / "second",
        certificate=mortal._certificate,
        everybody=[Someone(name, unit="second") for name in "abcde"],
        groups={},
    ) as second:
        settings = mortal.settings(servers=(mortal.ldap_url, second.ldap_url), ttl=0.0)
        directory = open_directory(settings)

        async def found(name: str) -> bool:
            return (await directory.look_up(name)).entry is not None

        assert not await found("a")  # the first has nobody of the name: that is an answer
        mortal.kill()
        assert await found("b")
        mortal.start()
        assert await found("c")  # it is not asked again with every question
        clock.now = 10
        assert not await found("d")


async def test_a_restarted_server_is_the_same_server(
    mortal: Slapd, open_directory: Callable[..., Directory]
):
    directory = open_directory(mortal.settings())
    assert (await directory.look_up("jane")).entry == JANE
    mortal.kill()
    mortal.start()
    with structlog.testing.capture_logs() as logged:
        assert (await directory.look_up("zoë")).entry is not None
        assert logged == []  # a connection from before is no sign of a dead server


async def test_while_no_server_answers_what_was_known_counts_for_a_time(
    mortal: Slapd, open_directory: Callable[..., Directory], clock: Clock
):
    directory = open_directory(mortal.settings(ttl=300.0, stale=600.0))
    await directory.look_up("jane")
    team = await directory.people_of("boss")
    assert [entry.name for entry in team] == ["jane", "zoë"]
    mortal.stall()
    mortal.kill()
    clock.now = 299
    assert await directory.look_up("jane") == Found(JANE, fresh=True)
    clock.now = 300
    assert await directory.look_up("jane") == Found(JANE, fresh=False)
    assert await directory.people_of("boss") == team
    await until(lambda: not directory._people._asked)
    with pytest.raises(DirectoryUnavailableError):
        await directory.look_up("zoë")
    with pytest.raises(DirectoryUnavailableError):
        await directory.bind("jane", "jane's long password")
    clock.now = 899
    assert directory.cached("jane") == Found(JANE, fresh=False)
    clock.now = 900
    assert directory.cached("jane") is None
    with pytest.raises(DirectoryUnavailableError):
        await directory.look_up("jane")
    with pytest.raises(DirectoryUnavailableError):
        await directory.people_of("boss")
    mortal.start()
    clock.now = 911
    assert await directory.look_up("jane") == Found(JANE, fresh=True)


async def test_a_stalled_server_is_left_in_time(
    mortal: Slapd, open_directory: Callable[..., Directory]
):
    directory = open_directory(mortal.settings(timeout=1.5))
    await directory.look_up("jane")  # leaves a connection open
    mortal.stall()
    assert "does not answer in time" in await problem_of(directory, "zoë")
    mortal.resume()


async def test_at_the_end_who_waits_is_told(ldap: Slapd, open_directory: Callable[..., Directory]):
    with deaf_server() as port:
        directory = open_directory(
            ldap.settings(servers=(f"ldap://localhost:{port}",), timeout=1.0)
        )
        waiting = [asyncio.create_task(directory.look_up(f"x{each}")) for each in range(8)]
        await until(lambda: directory._threads._waiting == 8)
        directory.close()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in ends} == {DirectoryUnavailableError}
        with pytest.raises(DirectoryUnavailableError):
            await directory.look_up("jane")


async def test_changes_count_once_the_answer_is_old(
    mortal: Slapd, open_directory: Callable[..., Directory], clock: Clock
):
    directory = open_directory(mortal.settings(ttl=300.0))
    assert (await directory.look_up("jane")).entry == JANE
    await asyncio.to_thread(mortal.join, "Contact Centre", "jane")
    clock.now = 300
    assert await directory.look_up("jane") == Found(JANE, fresh=False)
    await until(lambda: (known := directory.cached("jane")) and known.fresh)
    changed = directory.cached("jane")
    assert changed is not None
    assert changed.entry is not None
    assert changed.entry.groups - JANE.groups == {"contact centre"}
    await asyncio.to_thread(mortal.change, "jane", "userAccountControl", "514")
    clock.now = 600
    await directory.look_up("jane")
    await until(lambda: directory.cached("jane") == Found(None, fresh=True))


# What is set up wrongly


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"base": "dc=elsewhere"}, "noSuchObject to a search under 'dc=elsewhere'"),
        ({"bind_password": "wrong"}, "check directory.bind_dn and the variable"),
        ({"bind_dn": "cn=nobody", "bind_password": "x"}, "check directory.bind_dn"),
        ({"servers": ("ldap://nowhere.invalid",)}, "name cannot be resolved"),
        ({"servers": ("ldap://127.0.0.1:1",)}, "refuses connections"),
        ({"page_size": 500}, "adminLimitExceeded to a search under"),
        ({"person_filter": "(uid={name}"}, "InvalidFilter|malformed filter|invalid filter"),
    ],
)
async def test_a_mistake_of_the_settings_is_said(
    ldap: Slapd,
    open_directory: Callable[..., Directory],
    changes: dict[str, Any],
    problem: str,
):
    directory = open_directory(ldap.settings(**changes))
    with pytest.raises(DirectoryUnavailableError, match=problem) as raised:
        await directory.look_up("jane")
    assert SERVICE_PASSWORD not in str(raised.value)


async def test_the_service_account_is_not_locked_by_our_own_tries(
    ldap: Slapd, open_directory: Callable[..., Directory], clock: Clock
):
    directory = open_directory(ldap.settings(bind_password="wrong"))
    assert "refuses the service account" in await problem_of(directory)
    clock.now = 59
    assert await problem_of(directory) == "no server has answered just now"
    clock.now = 60
    assert "refuses the service account" in await problem_of(directory)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"servers": ("http://localhost",)}, "wanted ldap://host or ldaps://host"),
        ({"servers": ("ldap://",)}, "wanted ldap://host"),
        ({"servers": ("ldap://localhost:99999",)}, "is no URL"),
        ({"ca_file": "missing.pem"}, "missing.pem: directory.ca_file cannot be read"),
        ({"ca_file": __file__}, "directory.ca_file cannot be read"),
    ],
)
def test_what_can_never_work_is_said_at_once(ldap: Slapd, changes: dict[str, Any], problem: str):
    with pytest.raises(DirectorySettingsError, match=problem):
        Directory(ldap.settings(**changes))
