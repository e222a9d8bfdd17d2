"""Kerberos with a real KDC: what a client's token proves, and what each broken one is called.

In: tests/support/kdc.py's realms, tokens of MIT's library. Out: passes, or shows an outcome.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import kdc as support_kdc
from support.faketime import FAKETIME, wall_clock
from support.kdc import OTHER, REALM, Kdc, Ticket

from proxy_addons.identity import kerberos
from proxy_addons.identity.kerberos import Acceptor, decode
from proxy_addons.identity.proof import Proof, Rejection
from proxy_addons.settings.people import Kerberos

SERVICE = "HTTP/proxy.force.example"
AT_SERVICE = "HTTP@proxy.force.example"
KERBEROS = "1.2.840.113554.1.2.2"
MICROSOFT = bytes.fromhex("2a864882f712010202")  # 1.2.840.48018.1.2.2, as Windows lists it first
DCE_STYLE = 0x1000  # [MS-KILE] 3.4.5: three steps instead of two
AP_REQ = b"n\x82"  # RFC 4120 5.5.1: application 14, of more than 255 bytes
NTLM_FIRST = b"NTLMSSP\0\x01\0\0\0\x97\x82\x08\xe2" + bytes(16) + b"\x0a\0\x61\x4a\0\0\0\x0f"
TOP = Path(__file__).parents[2]


def spnego(mechanism: str, token: bytes | None) -> bytes:
    """SPNEGO's first token, by hand (NegTokenInit, RFC 4178 4.2.1).

    Args:
        mechanism: OID in DER, hexadecimal.
        token: the mechanism's own; None: the acceptor is to say first that it wants it.
    """

    def tlv(tag: int, *parts: bytes) -> bytes:
        body = b"".join(parts)
        return bytes([tag, len(body)]) + body

    wanted = tlv(0xA0, tlv(0x30, tlv(0x06, bytes.fromhex(mechanism))))
    carried = b"" if token is None else tlv(0xA2, tlv(0x04, token))
    init = tlv(0xA0, tlv(0x30, wanted, carried))
    return tlv(0x60, tlv(0x06, bytes.fromhex("2b0601050502")), init)


async def kind(acceptor: Acceptor, token: bytes) -> str:
    outcome = await acceptor.accept(token)
    assert isinstance(outcome, Rejection), outcome
    assert outcome.problem.isprintable()
    return outcome.kind


# who it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mech", [support_kdc.SPNEGO, KERBEROS])
async def test_a_ticket_proves_its_owner_and_the_client_sees_that_it_was_us(
    acceptor: Acceptor, jane: Ticket, mech: str
) -> None:
    context, token = jane.handshake(mech=mech)
    before = time.time()
    proof = await acceptor.accept(token)
    assert isinstance(proof, Proof), proof
    assert (proof.name, proof.how) == ("jane", "kerberos")
    # the library counts the clocks' allowed difference in
    assert proof.until is not None
    assert before + 35000 < proof.until < time.time() + 36000 + 301
    context.step(proof.answer)
    assert context.complete


async def test_until_is_by_the_clock_that_was_passed_in(keytab: Path, jane: Ticket) -> None:
    acceptor = Acceptor(Kerberos(keytab), clock=lambda: 1000.0)
    proof = await acceptor.accept(jane.token())
    acceptor.close()
    assert isinstance(proof, Proof)
    assert proof.until is not None
    assert 1000 + 35000 < proof.until <= 1000 + 36301


async def test_tokens_of_windows_clients_are_taken(acceptor: Acceptor, jane: Ticket) -> None:
    """They list Microsoft's misspelt OID of Kerberos first."""
    token = jane.token()
    ours = bytes.fromhex("2a864886f712010202")
    assert isinstance(await acceptor.accept(token.replace(ours, MICROSOFT, 1)), Proof)


async def test_people_of_another_realm_are_taken_if_it_is_named_and_keep_its_name(
    kdc: Kdc, keytab: Path
) -> None:
    ann = kdc.kinit("ann", "s3cret", realm=OTHER)
    only_ours, both = Acceptor(Kerberos(keytab)), Acceptor(Kerberos(keytab, None, (REALM, OTHER)))
    theirs = Acceptor(Kerberos(keytab, None, (OTHER,)))
    refused = await only_ours.accept(ann.token())
    assert isinstance(refused, Rejection)
    assert (refused.kind, refused.claimed) == ("wrong-realm", "ann@other.example")
    assert OTHER in refused.problem
    proofs = [await each.accept(ann.token()) for each in (both, theirs)]
    assert [proof.name for proof in proofs if isinstance(proof, Proof)] == [
        "ann@other.example",
        "ann",
    ]
    for each in (only_ours, both, theirs):
        each.close()


async def test_a_name_that_could_be_read_as_another_realms_is_nobodys(
    kdc: Kdc, keytab: Path, acceptor: Acceptor
) -> None:
    del keytab
    kdc.admin(REALM, 'addprinc -pw s3cret "ann\\@other.example"')
    sly = kdc.kinit("ann\\@other.example", "s3cret")
    assert await kind(acceptor, sly.token()) == "not-allowed"


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (b"Jane@FORCE.EXAMPLE", "jane"),
        (b"PC1234@FORCE.EXAMPLE", "pc1234"),
        ("Zoë@FORCE.EXAMPLE".encode(), "zoë"),
        (b"host/desk.force.example@FORCE.EXAMPLE", "host/desk.force.example"),
        (b"ann@OTHER.EXAMPLE", "ann@other.example"),
        (b"ann@other.example", "wrong-realm"),
        (b"ann@ELSE.EXAMPLE", "wrong-realm"),
        (b"ann@", "wrong-realm"),
        (b"ann", "not-allowed"),
        (b"@FORCE.EXAMPLE", "not-allowed"),
        (b"a\\@b@FORCE.EXAMPLE", "not-allowed"),
        (b"a@b@FORCE.EXAMPLE", "not-allowed"),
        (b"a\\/b@FORCE.EXAMPLE", "not-allowed"),
        (b"a\x01b@FORCE.EXAMPLE", "not-allowed"),
        (b"a\xff@FORCE.EXAMPLE", "not-allowed"),
        (b"", "not-allowed"),
        (b"a" * 300 + b"@FORCE.EXAMPLE", "not-allowed"),
        (b"WELLKNOWN/ANONYMOUS@FORCE.EXAMPLE", "not-allowed"),
        (b"WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS", "not-allowed"),
    ],
)
def test_the_login_name_of_a_principal(principal: bytes, expected: str) -> None:
    found = kerberos._person(principal, (REALM, OTHER))
    assert (found.kind if isinstance(found, Rejection) else found) == expected


# what is not taken --------------------------------------------------------------------------------


async def test_a_token_is_taken_once_by_whichever_process(
    keytab: Path, acceptor: Acceptor, jane: Ticket, kdc: Kdc
) -> None:
    token = jane.token()
    assert isinstance(await acceptor.accept(token), Proof)
    assert await kind(acceptor, token) == "replay"
    assert elsewhere(kdc, keytab, [token]) == ["replay"]


def elsewhere(kdc: Kdc, keytab: Path, tokens: list[bytes], **environ: str) -> list[str]:
    """Outcomes of another process."""
    script = (
        "import asyncio, json, sys\n"
        "from pathlib import Path\n"
        "from proxy_addons.identity.kerberos import Acceptor\n"
        "from proxy_addons.settings.people import Kerberos\n"
        "async def main():\n"
        "    acceptor = Acceptor(Kerberos(Path(sys.argv[1])))\n"
        "    done = [await acceptor.accept(bytes.fromhex(t)) for t in json.load(sys.stdin)]\n"
        "    acceptor.close()\n"
        "    print(json.dumps([getattr(each, 'kind', 'proof') for each in done]))\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(keytab)],
        env=os.environ | kdc.environ | {"PYTHONPATH": str(TOP)} | environ,
        input=json.dumps([token.hex() for token in tokens]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes: list[str] = json.loads(done.stdout)
    return outcomes


@pytest.mark.skipif(FAKETIME is None, reason="needs faketime (Debian: faketime)")
@pytest.mark.parametrize(
    ("offset", "kinds"),
    [
        ("+10m", ["skew", "expired"]),
        ("-10m", ["skew", "skew"]),
        ("+1m", ["proof", "proof"]),
    ],
)
def test_a_clock_ten_minutes_off_and_a_ticket_that_has_expired(
    kdc: Kdc, keytab: Path, jane: Ticket, offset: str, kinds: list[str]
) -> None:
    brief = kdc.kinit("Jane", "s3cret", lifetime="2m")
    tokens = [jane.token(), brief.token()]
    assert elsewhere(kdc, keytab, tokens, **wall_clock(FAKETIME=offset)) == kinds


async def test_a_ticket_for_a_service_without_a_key_here(kdc: Kdc, jane: Ticket) -> None:
    acceptor = Acceptor(Kerberos(kdc.keytab("HTTP/else.force.example")))
    refused = await acceptor.accept(jane.token())
    acceptor.close()
    assert isinstance(refused, Rejection)
    assert refused.kind == "wrong-key"
    assert refused.problem == (
        f"the ticket is for a service that the keytab has no key for (ticket for {SERVICE}@{REALM})"
    )


async def test_of_several_keys_only_the_named_services_is_used(kdc: Kdc, jane: Ticket) -> None:
    keytab = kdc.keytab(SERVICE, "HTTP/second.force.example")
    every = Acceptor(Kerberos(keytab))
    one = Acceptor(Kerberos(keytab, f"{SERVICE}@{REALM}"))
    for service in (AT_SERVICE, "HTTP@second.force.example"):
        assert isinstance(await every.accept(jane.token(service)), Proof)
    assert isinstance(await one.accept(jane.token()), Proof)
    assert await kind(one, jane.token("HTTP@second.force.example")) == "wrong-key"
    every.close()
    one.close()


async def test_a_changed_key_and_a_ticket_from_before_it(kdc: Kdc) -> None:
    service, at_service = "HTTP/changed.force.example", "HTTP@changed.force.example"
    old = Acceptor(Kerberos(kdc.keytab(service)))
    token = kdc.kinit("Jane", "s3cret").token(at_service)
    kdc.new_key(service)
    newer = kdc.kinit("Jane", "s3cret").token(at_service)
    new = Acceptor(Kerberos(kdc.keytab(service)))
    problems = []
    for acceptor, sent in ((old, newer), (new, token)):
        refused = await acceptor.accept(sent)
        assert isinstance(refused, Rejection)
        assert refused.kind == "wrong-key"
        problems.append(refused.problem)
    assert problems[0].startswith("the keytab is older than the service account's key")
    assert problems[1].startswith("the ticket is older than the keytab's key")
    assert isinstance(await old.accept(token), Proof)
    assert isinstance(await new.accept(newer), Proof)
    old.close()
    new.close()


@pytest.fixture(scope="module")
def guessed_keytab(kdc: Kdc) -> Path:
    path = kdc.folder / "same-number.keytab"
    subprocess.run(
        ["ktutil"],
        input=f"addent -password -p {SERVICE}@{REALM} -k 1 -e aes256-cts\nguess\nwkt {path}\nq\n",
        text=True, check=True, capture_output=True, env=os.environ | kdc.environ,
    )  # fmt: skip
    return path


async def test_another_key_of_the_same_number(guessed_keytab: Path, jane: Ticket) -> None:
    """As when the account was made anew, or the keytab with another password."""
    acceptor = Acceptor(Kerberos(guessed_keytab))
    refused = await acceptor.accept(jane.token())
    acceptor.close()
    assert isinstance(refused, Rejection)
    assert refused.kind == "wrong-key"
    assert "does not open with the keytab's key" in refused.problem


@pytest.mark.parametrize("token", [NTLM_FIRST, spnego("2b06010401823702020a", NTLM_FIRST)])
async def test_ntlm_is_named(acceptor: Acceptor, token: bytes) -> None:
    refused = await acceptor.accept(token)
    assert refused == Rejection(
        "ntlm",
        "the browser offered NTLM because it had no Kerberos ticket for this proxy's name",
    )


async def test_a_handshake_of_several_steps_is_refused(acceptor: Acceptor, jane: Ticket) -> None:
    assert await kind(acceptor, jane.token(flags=DCE_STYLE)) == "unfinished"
    assert await kind(acceptor, spnego("2a864886f712010202", None)) == "unfinished"


@pytest.mark.parametrize(
    "cut", [lambda t: t[:10], lambda t: t[:50], lambda t: t[:-1], lambda t: t[:5] + b"\xff" + t[6:]]
)
async def test_what_is_damaged_is_malformed(acceptor: Acceptor, jane: Ticket, cut: Any) -> None:
    assert await kind(acceptor, cut(jane.token())) == "malformed"


async def test_what_is_too_long_is_not_looked_at(acceptor: Acceptor) -> None:
    assert await kind(acceptor, bytes(kerberos.LONGEST_TOKEN + 1)) == "malformed"
    assert await kind(acceptor, b"") == "malformed"


@pytest.mark.parametrize("text", ["", "YII", "Y II=", "WYÉ=", "YI\nIA", "-_-_"])
def test_what_is_not_base64(text: str) -> None:
    found = decode(text)
    assert found == b"" or (isinstance(found, Rejection) and found.kind == "malformed")


@given(st.binary(max_size=2000))
def test_base64_is_read_back(token: bytes) -> None:
    assert decode(base64.b64encode(token).decode()) == token


def test_no_garbage_gets_in_and_none_is_taken_for_a_fault_of_ours(
    kdc: Kdc, keytab: Path, jane: Ticket
) -> None:
    del kdc
    acceptor = Acceptor(Kerberos(keytab))
    bare = jane.token(mech=KERBEROS)
    good = [jane.token(), bare, bare[bare.index(AP_REQ) :]]
    # a byte is changed, and some of the end is missing
    cut_off = st.builds(
        lambda token, place, by, cut: changed(token, place, by)[: -(1 + cut % (len(token) - 1))],
        st.sampled_from(good),
        st.integers(0, 600),
        st.integers(0, 255),
        st.integers(0, 1000),
    )
    # a byte is changed in the ticket, or in the authenticator behind it, a token's last part
    within = st.builds(changed, st.sampled_from(good), st.integers(-500, -10), st.integers(1, 255))
    beginning = st.builds(
        bytes.__add__, st.sampled_from([b"`", b"n", b"n\x82", b"\xa1", NTLM_FIRST[:8]]),
        st.binary(max_size=100),
    )  # fmt: skip
    tried: set[str] = set()

    @given(st.one_of(st.binary(max_size=200), beginning, cut_off, within))
    def garbage(token: bytes) -> None:
        outcome = asyncio.run(acceptor.accept(token))
        assert isinstance(outcome, Rejection)
        assert outcome.problem.isprintable()
        assert outcome.kind in {"malformed", "wrong-key", "unfinished", "ntlm"}, outcome
        tried.add(outcome.kind)

    garbage()
    acceptor.close()
    assert {"malformed", "wrong-key"} <= tried


def changed(token: bytes, place: int, by: int) -> bytes:
    """A token with one byte changed."""
    spoilt = bytearray(token)
    spoilt[place] ^= by
    return bytes(spoilt)
