"""`watchhouse report weekly`, as a user types it: a real directory, a real mail server."""

from __future__ import annotations

import csv
import io
import shutil
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.certificates import WebAuthority
from support.ldap import BASE, SERVICE, SERVICE_PASSWORD, Slapd, Someone
from support.standing import ready

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import minutes, open_store, views
from proxy_addons.standing.dutyday import day_of
from proxy_addons.standing.weeks import Week

mail = pytest.importorskip("support.mail", reason="aiosmtpd is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
WEEK = Week.of(day_of(datetime.now(UTC), ZoneInfo("Europe/London"), time(5))).later(-1)
PASSWORD = "a mail server's password"
FORCE = (
    Someone("mona", display="Insp Mona <Reed>", unit="Major Crime"),
    Someone("jane", display="DC Jane Doe", unit="Major Crime", manager="mona"),
    Someone("tom", display="Tom & Sons", manager="mona"),
    Someone("max", display="Sgt Max Hill"),
    Someone("zoe", display="Zoe Marsh", manager="max"),
    Someone("odd boss", display="An odd login name"),
    Someone("ann", display="Ann Okafor", manager="odd boss"),
    Someone("nil", display="Used nothing", manager="lea"),
    Someone("lea", display="Her people used nothing"),
)


@dataclass
class World:
    """A configuration with a directory, a store with minutes, and the command."""

    config: Path
    data: Path
    watchhouse: Callable[..., Any]

    def run(self, *arguments: str) -> Any:
        return self.watchhouse(
            "report", "weekly", *arguments, "--config", str(self.config), "--data", str(self.data)
        )

    def looks(self) -> set[tuple[str, str, str]]:
        store = open_store(Standing(), Paths(self.config, self.config, self.data))
        found = views.of(store, most=1000)
        store.close()
        assert {each.what for each in found} <= {f"weekly {WEEK.name}"}
        return {(each.viewer, each.subject, each.how) for each in found}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd"), everybody=FORCE, groups={}) as server:
        yield server


@pytest.fixture
def world(
    watchhouse: Callable[..., Any], tmp_path: Path, slapd: Slapd, monkeypatch: pytest.MonkeyPatch
) -> World:
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    (config / "watchhouse.yaml").write_text(
        f"""
directory:
  servers: ["{slapd.ldap_url}"]
  bind_dn: "{SERVICE}"
  bind_password_env: TEST_LDAP_PASSWORD
  base: "{BASE}"
  start_tls: false
  person_filter: "(&(objectClass=inetOrgPerson)(uid={{name}}))"
  name_attribute: uid
  groups: members
  page_size: 50
"""
    )
    monkeypatch.setenv("TEST_LDAP_PASSWORD", SERVICE_PASSWORD)
    monkeypatch.setenv("TEST_MAIL_PASSWORD", PASSWORD)
    paths = Paths(config, config, tmp_path / "data")
    ready(Standing(), paths)
    store = open_store(Standing(), paths)
    for person, number in (("jane", 45), ("tom", 5), ("zoe", 12), ("ann", 7), ("gone", 3)):
        use(store, person, WEEK.monday, number)
    store.close()
    return World(config, tmp_path / "data", watchhouse)


def use(store: Any, person: str, day: date, number: int) -> None:
    first = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    minutes.write(
        store,
        [
            minutes.Row(person, first + timedelta(minutes=each), day, social=False)
            for each in range(number)
        ],
    )


def mailing(port: int, **more: str) -> list[str]:
    keys = {
        "smtp": f"localhost:{port}",
        "sender": "watchhouse@force.example",
        "address": "{name}@force.example",
        "user": "watchhouse",
        "password_env": "TEST_MAIL_PASSWORD",
    } | more
    return [
        part
        for key, value in keys.items()
        if value
        for part in ("--set", f"personal_use.reports.{key}={value}")
    ]


# --- files ----------------------------------------------------------------------------------------


def test_files_for_each_line_manager(world: World) -> None:
    done = world.run("--out", str(world.data / "out"))
    assert (done.code, done.err) == (0, "")
    assert "3 reports as HTML and CSV" in done.out
    folder = world.data / "out" / WEEK.name
    assert {each.name for each in folder.iterdir()} == {
        f"{name}.{kind}" for name in ("mona", "max", "odd%20boss") for kind in ("html", "csv")
    }, "not for who has no people, or whose people used nothing"
    for each in folder.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
    html = (folder / "mona.html").read_text()
    assert "DC Jane Doe" in html
    assert "Tom &amp; Sons" in html
    assert "Mona &lt;Reed&gt;" in html
    assert "Zoe" not in html
    assert "<script" not in html
    assert "http" not in html, "nothing from elsewhere, and no site"
    rows = list(csv.DictReader(io.StringIO((folder / "mona.csv").read_text("utf-8-sig"))))
    assert {row["person"]: row["minutes"] for row in rows} == {"jane": "45", "tom": "5"}
    (viewer,) = {viewer for viewer, _, _ in world.looks()}
    assert viewer not in {"mona", "max"}, "the look is the operator's"
    assert {(person, how) for _, person, how in world.looks()} == {
        (person, "command-line") for person in ("jane", "tom", "zoe", "ann")
    }


def test_for_one_line_manager_and_a_week(world: World) -> None:
    before = WEEK.later(-1).name
    done = world.run("--manager", "MAX", "--week", before)
    assert done.code == 0, done.err
    folder = world.data / "reports" / "weekly" / before
    assert "Zoe Marsh" in (folder / "max.html").read_text()
    assert not (folder / "mona.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--week", "2026-47"], "is no week such as 2026-W47"),
        (["--week", "2999-W01"], "No such week: there are figures from"),
        (["--manager", "jane"], "jane: nobody's line manager"),
        (["--set", "directory.servers=ldap://127.0.0.1:1"], "the directory does not answer"),
        (["--out", "/dev/null"], "/dev/null"),
        (["--send"], "no mail server is configured"),
    ],
)
def test_what_cannot_be_done_is_said(world: World, arguments: list[str], words: str) -> None:
    done = world.run(*arguments)
    assert done.code == 1
    assert words in done.err
    assert "Traceback" not in done.err


# --- e-mail ---------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebAuthority:
    made = WebAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def test_each_line_manager_gets_their_own(world: World, authority: WebAuthority) -> None:
    with mail.Mail(authority.leaf("localhost"), {"watchhouse": PASSWORD}) as server:
        done = world.run("--send", *mailing(server.port))
        assert done.code == 1, "one has a login name that is no address"
        assert "no mail address can be made of this login name" in done.err
        assert f"{WEEK.name}: 2 of 3 sent" in done.out
        assert set(server.messages) == {"mona@force.example", "max@force.example"}
        assert server.in_clear == 0
        (message,) = server.messages["mona@force.example"]
        again = world.run("--send", *mailing(server.port), "--manager", "mona")
        assert (again.code, again.out) == (0, f"{WEEK.name}: 0 of 0 sent; 1 had been sent before\n")
        assert len(server.messages["mona@force.example"]) == 1
        assert world.run("--send", "--again", *mailing(server.port), "--manager", "mona").code == 0
        assert len(server.messages["mona@force.example"]) == 2
    assert message["From"] == "watchhouse@force.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Jane" not in message["Subject"]
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    (table,) = message.iter_attachments()
    assert "DC Jane Doe  45 min" in text
    assert "DC Jane Doe" in html
    assert table.get_filename() == f"personal-use-{WEEK.name}.csv"
    assert "jane" in table.get_content()
    assert "Zoe" not in message.as_string()
    assert {look for look in world.looks() if look[0] == "mona"} == {
        ("mona", person, how) for person in ("jane", "tom") for how in ("e-mail", "e-mail, sent")
    }
    assert PASSWORD not in done.out + done.err


def test_one_that_is_refused_does_not_hold_up_the_others(
    world: World, authority: WebAuthority
) -> None:
    refused = frozenset({"max@force.example"})
    people = ["--manager", "max", "--manager", "mona"]
    with mail.Mail(authority.leaf("localhost"), {"watchhouse": PASSWORD}, refused) as server:
        done = world.run("--send", *mailing(server.port), *people)
        assert done.code == 1
        assert "refuses the address max@force.example: 550 5.1.1 there is no such" in done.err
        assert set(server.messages) == {"mona@force.example"}
        server.refused = frozenset()
        done = world.run("--send", *mailing(server.port), *people)
        assert (done.code, done.out) == (0, f"{WEEK.name}: 1 of 1 sent; 1 had been sent before\n")
        assert set(server.messages) == {"mona@force.example", "max@force.example"}


SERVERS = {
    "no STARTTLS": (lambda _: None, {}, "does not offer what is needed"),
    "a certificate that has expired": (
        lambda authority: authority.leaf("localhost", expired=True), {},
        "its certificate is not good: certificate has expired",
    ),
    "another server's certificate": (
        lambda authority: authority.leaf("mail.elsewhere.example"), {},
        "its certificate is not good: Hostname mismatch",
    ),
    "a certificate of an unknown authority": (
        lambda authority: WebAuthority(authority.folder, "Nobody Knows").leaf("localhost"),
        {}, "its certificate is not good: self-signed certificate in certificate chain",
    ),
    "a password that is not right": (
        lambda authority: authority.leaf("localhost"), {"user": "somebody"},
        "does not take user and password (code 535)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SERVERS)
def test_a_server_that_is_not_to_be_trusted_gets_nothing(
    world: World, authority: WebAuthority, case: str
) -> None:
    certificate, more, words = SERVERS[case]
    with mail.Mail(certificate(authority), {"watchhouse": PASSWORD}) as server:
        done = world.run("--send", *mailing(server.port, **more))
        assert done.code == 1
        assert words in done.err
        assert PASSWORD not in done.err
        assert server.messages == {}
    assert world.looks() == set(), "nothing was read"


def test_without_tls_where_the_settings_say_so(world: World) -> None:
    with mail.Mail() as server:
        port = server.port
        keys = mailing(port, smtp=f"127.0.0.1:{port}", starttls="false", user="", password_env="")
        done = world.run("--send", *keys, "--manager", "mona")
        assert (done.code, done.err) == (0, "")
        assert server.in_clear == 1


def test_a_server_that_is_away(world: World) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(mail.Mail()).port
    done = world.run("--send", *mailing(port))
    assert done.code == 1
    assert "cannot be reached" in done.err
