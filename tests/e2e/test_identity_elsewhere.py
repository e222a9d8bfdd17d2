"""Who is asking where the gateway stands otherwise: its clock off, behind a real HAProxy, on a real
network (a namespace) with clients that are not this machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.faketime import FAKETIME, wall_clock
from support.force import KIOSK, SPEAKS_PROXY, free_ports, password_of, spilt
from support.gateway import Gateway, Reply
from support.haproxy import PATH, Haproxy
from support.scene import through

from proxy_addons.identity.passwords import hash_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.force import Force
    from support.identity import Site
    from support.web import Web

NEGOTIATE = ["--proxy-negotiate", "--proxy-user", ":"]


def one(gateway: Gateway, host: str) -> dict[str, Any]:
    (record,) = gateway.records(1, event="transaction", host=host)
    return record


# --- the gateway's clock ------------------------------------------------------------------------


@pytest.mark.skipif(FAKETIME is None, reason="needs faketime (Debian: faketime)")
def test_a_gateway_whose_clock_is_ten_minutes_fast(
    force: Force, index: Path, tmp_path: Path, web: Web
) -> None:
    """It takes no ticket, as it could not tell a replayed one; addresses and passwords go on."""
    brief = force.kdc.kinit("jane", password_of("jane"), lifetime="2m")
    gateway = force.gateway(
        tmp_path / "gateway", force.settings("relay"), index,
        environ=wall_clock(FAKETIME="+10m"),
    )  # fmt: skip
    with gateway:
        reply = force.curl(gateway, "http://skew.gov.uk/", *NEGOTIATE, ticket=force.ticket("jane"))
        assert reply.status == 407
        assert one(gateway, "skew.gov.uk")["error"] == (
            "the clocks of the client and of this gateway differ too much"
        )
        assert force.curl(gateway, "http://old.gov.uk/", *NEGOTIATE, ticket=brief).status == 407
        assert one(gateway, "old.gov.uk")["error"] == (
            "the ticket has expired; the client has to get a new one"
        )
        assert web.hosts() == set()
        for host in ("skew.gov.uk", "old.gov.uk"):
            record = one(gateway, host)
            assert (record["person"], record["rule"]) == (None, "sign-in-failed")
        reply = force.curl(gateway, "http://kiosk.gov.uk/", "--interface", KIOSK)
        assert (reply.status, one(gateway, "kiosk.gov.uk")["person"]) == (200, "kiosk-3")
        login = f"boss:{password_of('boss')}"
        reply = force.curl(gateway, "http://boss.gov.uk/", "--proxy-user", login)
        assert (reply.status, one(gateway, "boss.gov.uk")["person"]) == (200, "boss")


# --- behind HAProxy -----------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("haproxy", path=PATH), reason="haproxy is not installed")
@pytest.mark.parametrize("lane", ["relay", "generic"])
def test_people_behind_a_real_haproxy(
    lane: str, sites: dict[str, Site], force: Force, tmp_path: Path
) -> None:
    """By the PROXY protocol it says the address; who it is has to be proven as elsewhere."""
    gateway = sites[lane].gateway
    with Haproxy(tmp_path, {"proxy": gateway.proxy}, SPEAKS_PROXY) as haproxy:
        by = f"http://localhost:{haproxy.ports['proxy']}"

        def ask(host: str, *words: str, name: str | None = None) -> tuple[int, dict[str, Any]]:
            ticket = force.ticket(name) if name else None
            host = f"{lane}-{host}"
            reply = force.curl(gateway, f"http://{host}/", *words, ticket=ticket, proxy=by)
            return reply.status, one(gateway, host)

        status, record = ask("kiosk.gov.uk", "--interface", KIOSK)
        assert (status, record["person"], record["client_ip"]) == (200, "kiosk-3", KIOSK)
        assert record["balancer_ip"] == SPEAKS_PROXY
        status, record = ask("ticket.gov.uk", *NEGOTIATE, name="jane")
        assert (status, record["person"], record["balancer_ip"]) == (200, "jane", SPEAKS_PROXY)
        status, record = ask("nobody.gov.uk")
        assert (status, record["person"], record["rule"]) == (407, None, "sign-in-required")
        status, record = ask("password.gov.uk", "--proxy-user", f"boss:{password_of('boss')}")
        assert (status, record["person"], record["rule"]) == (407, None, "sign-in-failed")
        assert record["error"] == "passwords are not taken over an unencrypted connection"
    reply = force.curl(gateway, "http://liar.gov.uk/", "--interface", SPEAKS_PROXY)
    assert reply.status == 0, "whoever comes from there has to begin with the PROXY protocol"


# --- passwords in the clear ---------------------------------------------------------------------

ELSEWHERE = "192.0.2.1"  # in the namespace: of this gateway's machine, but not of its loopback
LOGIN = "zoë:pässwörd: with a colon"


class Apart:
    """A gateway in a network of its own, with passwords in a file."""

    def __init__(self, folder: Path, web: Web, index: Path, **basic: Any) -> None:
        folder.mkdir()
        file = folder / "passwords"
        name, _, word = LOGIN.partition(":")
        file.write_text(f"{name}:{hash_of(word)}\n", "utf-8")
        self.clear, self.secure = free_ports(2)
        settings = through(
            web,
            listen={
                "proxy": f"0.0.0.0:{self.clear}",
                "proxy_tls": f"0.0.0.0:{self.secure}",
                "names": ["localhost", ELSEWHERE],
            },
            identity={
                "order": ["basic"],
                "basic": {"check": "file", "file": str(file), **basic},
                "default_profile": "standard",
            },
        )
        script = f'ip link set lo up && ip addr add {ELSEWHERE}/24 dev lo && exec "$@"'
        serve = "import sys; from proxy_addons.cli import main; sys.exit(main())"
        self.gateway = Gateway(
            folder / "gateway", settings, index=index,
            command=["unshare", "--net", "sh", "-c", script, "sh", sys.executable, "-c", serve,
                     "serve"],
        )  # fmt: skip

    def ask(self, host: str, *words: str, by: str, source: str) -> tuple[Reply, dict[str, Any]]:
        """Curl, in that network."""
        port = self.secure if by == "https" else self.clear
        authority = str(self.gateway.authority)
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.gateway.process.pid}/ns/net", "curl", "-sS", "-D", "-",
             "-w", '\n@@{"response_code":"%{response_code}"}', "--max-time", "20", "--proxy",
             f"{by}://{source}:{port}", "--proxy-cacert", authority, "--interface", source, *words,
             f"http://{host}/"],
            capture_output=True, check=False, env={**os.environ, "NO_PROXY": ""},
        )  # fmt: skip
        return Reply(done), one(self.gateway, host)


@pytest.fixture
def apart(
    request: pytest.FixtureRequest, tmp_path: Path, shared_web: Web, index: Path
) -> Iterator[Apart]:
    made = Apart(tmp_path / "apart", shared_web, index, **getattr(request, "param", {}))
    with made.gateway:
        yield made
        word = LOGIN.partition(":")[2]
        secrets = {"the password": word.encode(), "escaped": word.encode("unicode_escape")}
        assert spilt(made.gateway, secrets, metrics=False) == []


@pytest.mark.root
def test_passwords_in_the_clear_are_taken_from_this_machine_alone(apart: Apart) -> None:
    words = ("--proxy-user", LOGIN)
    reply, record = apart.ask("clear.gov.uk", *words, by="http", source=ELSEWHERE)
    assert (reply.status, record["client_ip"]) == (403, ELSEWHERE)
    assert (record["person"], record["rule"]) == (None, "sign-in-failed")
    assert record["error"] == "passwords are not taken over an unencrypted connection"
    assert "Proxy-Authenticate" not in reply.raw.decode()
    reply, record = apart.ask("unasked.gov.uk", by="http", source=ELSEWHERE)
    assert (reply.status, record["rule"]) == (403, "sign-in-required"), "nor is one asked for"
    for host, by, source in (
        ("here.gov.uk", "http", "127.0.0.1"),
        ("secure.gov.uk", "https", ELSEWHERE),
    ):
        reply, record = apart.ask(host, *words, by=by, source=source)
        assert (record["person"], record["person_how"]) == ("zoë", "basic")
        assert (record["rule"], reply.status) == ("business", 502), "no site is in that network"


@pytest.mark.root
@pytest.mark.parametrize("apart", [{"in_the_clear": True}], indirect=True)
def test_passwords_in_the_clear_are_taken_where_the_settings_say_so(apart: Apart) -> None:
    reply, record = apart.ask("clear.gov.uk", "--proxy-user", LOGIN, by="http", source=ELSEWHERE)
    assert (record["person"], record["client_ip"], reply.status) == ("zoë", ELSEWHERE, 502)
