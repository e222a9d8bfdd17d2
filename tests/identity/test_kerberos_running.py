"""The Kerberos acceptor over time: its keytab, its limits, a dead KDC, what it keeps.

In: tests/support/kdc.py's realms. Out: passes, or shows an outcome.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from support.waiting import until

from proxy_addons.identity import keytab as keytab_module
from proxy_addons.identity.kerberos import Acceptor
from proxy_addons.identity.keytab import KerberosError
from proxy_addons.identity.proof import Proof, Rejection
from proxy_addons.settings.people import Kerberos

if TYPE_CHECKING:
    from support.kdc import Kdc, Ticket

SERVICE = "HTTP/proxy.force.example"
DCE_STYLE = 0x1000  # [MS-KILE] 3.4.5: three steps instead of two
DELEGATE = 1  # GSS_C_DELEG_FLAG, RFC 2744
TOP = Path(__file__).parents[2]


@pytest.fixture
def own_keytab(keytab: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    path = tmp_path / "own.keytab"
    path.write_bytes(keytab.read_bytes())
    return path


# the keytab ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is not a keytab"),
        (b"# my keys\n", "is not a keytab"),
        (b"\x05\x02", "holds no key"),
    ],
)
def test_a_keytab_that_cannot_be_used_is_refused_at_the_start(
    kdc: Kdc, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    del kdc
    path = tmp_path / "x.keytab"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KerberosError) as refused:
        Acceptor(Kerberos(path))
    assert str(path) in str(refused.value)
    assert problem in str(refused.value)


def test_a_folder_or_no_file_is_no_keytab(tmp_path: Path) -> None:
    pytest.importorskip("gssapi")
    with pytest.raises(KerberosError, match="cannot be read"):
        Acceptor(Kerberos(tmp_path))
    with pytest.raises(KerberosError, match=r"identity\.kerberos\.keytab names no file"):
        Acceptor(Kerberos(None))


def test_a_service_without_a_key_is_refused_at_the_start(keytab: Path) -> None:
    with pytest.raises(KerberosError, match="holds no key for HTTP/else"):
        Acceptor(Kerberos(keytab, "HTTP/else.force.example@FORCE.EXAMPLE"))


def test_without_the_package_it_is_said_which_one(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['gssapi'] = None\n"
        "from pathlib import Path\n"
        "from proxy_addons.identity.kerberos import Acceptor\n"
        "from proxy_addons.identity.keytab import KerberosError\n"
        "from proxy_addons.settings.people import Kerberos\n"
        "try: Acceptor(Kerberos(Path('/x')))\n"
        "except KerberosError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(TOP)},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "the package gssapi is not there" in done.stdout
    assert "docs/identity.md" in done.stdout


async def test_a_replaced_keytab_counts_at_once(
    kdc: Kdc, jane: Ticket, own_keytab: Path, other_keytab: bytes
) -> None:
    acceptor = Acceptor(Kerberos(own_keytab))
    assert isinstance(await acceptor.accept(jane.token()), Proof)
    good = keytab_bytes(own_keytab)
    for content, kind in ((other_keytab, "wrong-key"), (b"half", "unavailable"), (good, "")):
        replace(own_keytab, content)
        outcome = await acceptor.accept(jane.token())
        assert getattr(outcome, "kind", "") == kind, outcome
    acceptor.close()
    del kdc


@pytest.fixture(scope="module")
def other_keytab(kdc: Kdc) -> bytes:
    return kdc.keytab("HTTP/else.force.example").read_bytes()


def keytab_bytes(path: Path) -> bytes:
    return path.read_bytes()


def replace(path: Path, content: bytes | None) -> None:
    """As an operator's `mv` does; or `rm`."""
    if content is None:
        path.unlink()
        return
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


async def test_a_removed_keytab_signs_nobody_in_and_its_return_is_noticed(
    own_keytab: Path, jane: Ticket
) -> None:
    acceptor = Acceptor(Kerberos(own_keytab))
    content = keytab_bytes(own_keytab)
    replace(own_keytab, None)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            outcome = await acceptor.accept(jane.token())
            assert isinstance(outcome, Rejection)
            assert outcome.kind == "unavailable"
            assert str(own_keytab) in outcome.problem
        replace(own_keytab, content)
        assert isinstance(await acceptor.accept(jane.token()), Proof)
    # once for each change, not for each sign-in
    assert [line["event"] for line in logged] == ["keytab-unusable", "keytab-replaced"]
    acceptor.close()


def test_the_keytab_is_named_in_memory_that_lives(kdc: Kdc, keytab: Path) -> None:
    """With PYTHONMALLOC=debug freed memory is overwritten: what was freed too early is seen."""
    script = (
        "from pathlib import Path\n"
        "from proxy_addons.identity.kerberos import Acceptor\n"
        "from proxy_addons.settings.people import Kerberos\n"
        f"for _ in range(20): Acceptor(Kerberos(Path({str(keytab)!r})))\n"
    )
    environ = os.environ | kdc.environ | {"PYTHONPATH": str(TOP), "PYTHONMALLOC": "debug"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_keytab_that_the_machine_could_not_open_is_tried_again(
    kdc: Kdc, own_keytab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is as it was: no change of it will tell when it works again."""
    del kdc
    clock = [100.0]
    keys = keytab_module.Keys(keytab_module.library(), Kerberos(own_keytab), clock=lambda: clock[0])
    assert keys.current()[1] == ("FORCE.EXAMPLE",)
    os.utime(own_keytab)  # it is to be read anew
    monkeypatch.setattr(keytab_module, "_problem_with", lambda path: f"{path}: no descriptor free")
    with structlog.testing.capture_logs() as logged:
        for clock[0] in (100.0, 100.9, 101.0, 102.5):
            with pytest.raises(KerberosError, match="no descriptor free"):
                keys.current()
        monkeypatch.undo()
        clock[0] = 103.0
        with pytest.raises(KerberosError, match="no descriptor free"):
            keys.current()  # the last look at it was half a second ago
        clock[0] = 103.5
        assert keys.current()[1] == ("FORCE.EXAMPLE",)
    # each said once, however often it was tried
    assert [line["event"] for line in logged] == ["keytab-unusable", "keytab-replaced"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_keytab(own_keytab: Path, jane: Ticket) -> None:
    acceptor = Acceptor(Kerberos(own_keytab))
    own_keytab.chmod(0)
    outcome = asyncio.run(acceptor.accept(jane.token()))
    own_keytab.chmod(0o600)
    assert isinstance(outcome, Rejection)
    assert outcome.kind == "unavailable"
    assert isinstance(asyncio.run(acceptor.accept(jane.token())), Proof)
    acceptor.close()


async def test_without_the_replay_cache_nobody_is_signed_in(
    acceptor: Acceptor, jane: Ticket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = jane.token()
    monkeypatch.setenv("KRB5RCACHEDIR", str(tmp_path / "not there"))
    outcome = await acceptor.accept(token)
    assert isinstance(outcome, Rejection)
    assert outcome.kind == "unavailable"
    assert "could not be checked: No such file or directory" in outcome.problem
    monkeypatch.undo()
    assert isinstance(await acceptor.accept(jane.token()), Proof)


# the KDC ------------------------------------------------------------------------------------------


async def test_sign_ins_go_on_without_the_kdc(kdc: Kdc, keytab: Path) -> None:
    jane = kdc.kinit("Jane", "s3cret")
    jane.token()  # the service's ticket is in her cache now
    kdc.kill()
    try:
        acceptor = Acceptor(Kerberos(keytab))  # a gateway may even start
        assert isinstance(await acceptor.accept(jane.token()), Proof)
        acceptor.close()
    finally:
        kdc.start()
    assert kdc.kinit("Jane", "s3cret").token()


# many at once -------------------------------------------------------------------------------------


async def test_many_at_once_each_get_their_own_answer(kdc: Kdc, keytab: Path, jane: Ticket) -> None:
    ann = kdc.kinit("ann", "s3cret", realm="OTHER.EXAMPLE")
    acceptor = Acceptor(Kerberos(keytab, None, ("FORCE.EXAMPLE", "OTHER.EXAMPLE")))
    tokens = [(jane if n % 2 else ann).token() for n in range(100)]
    found = await asyncio.gather(*map(acceptor.accept, tokens))
    names = [each.name if isinstance(each, Proof) else each for each in found]
    assert names == [("jane" if n % 2 else "ann@other.example") for n in range(100)]
    acceptor.close()


class Held:
    """An acceptor whose only thread is held up until `go`."""

    def __init__(self, keytab: Path, waiting: int) -> None:
        self.acceptor = Acceptor(Kerberos(keytab), threads=1, waiting=waiting)
        self.go = threading.Event()
        self._check = self.acceptor._check
        self.acceptor._check = self.check

    def check(self, token: bytes) -> Any:
        assert self.go.wait(20)
        return self._check(token)


async def test_more_than_may_wait_are_refused_as_busy_and_the_others_are_not(
    keytab: Path, jane: Ticket
) -> None:
    held = Held(keytab, waiting=3)
    tokens = [jane.token() for _ in range(7)]
    asked = [asyncio.create_task(held.acceptor.accept(token)) for token in tokens]
    await until(lambda: sum(each.done() for each in asked) == 3)
    assert [each.result().kind for each in asked[4:]] == ["busy"] * 3
    held.go.set()
    assert [type(await each) for each in asked[:4]] == [Proof] * 4
    # the places are free again
    assert isinstance(await held.acceptor.accept(jane.token()), Proof)
    held.acceptor.close()


async def test_clients_that_go_away_give_their_places_back(keytab: Path, jane: Ticket) -> None:
    held = Held(keytab, waiting=1)
    first = asyncio.create_task(held.acceptor.accept(jane.token()))
    await until(lambda: held.acceptor._places._value == 1)
    for _ in range(5):
        waits = asyncio.create_task(held.acceptor.accept(jane.token()))
        await until(lambda: held.acceptor._places._value == 0)
        waits.cancel()
        await asyncio.wait([waits])
        assert waits.cancelled()
        await until(lambda: held.acceptor._places._value == 1)
    held.go.set()
    assert isinstance(await first, Proof)
    assert isinstance(await held.acceptor.accept(jane.token()), Proof)
    held.acceptor.close()


async def test_after_close_nobody_is_let_in_and_nobody_waits_for_ever(
    keytab: Path, jane: Ticket
) -> None:
    held = Held(keytab, waiting=5)
    asked = [asyncio.create_task(held.acceptor.accept(jane.token())) for _ in range(3)]
    await until(lambda: held.acceptor._places._value == 3)
    held.acceptor.close()
    held.go.set()
    outcomes = [await each for each in asked]
    assert isinstance(outcomes[0], Proof)  # was being checked
    assert [each.kind for each in outcomes[1:] if isinstance(each, Rejection)] == [
        "unavailable",
        "unavailable",
    ]
    last = await held.acceptor.accept(jane.token())
    assert isinstance(last, Rejection)
    assert last.kind == "unavailable"


async def test_a_fault_refuses_and_shows_no_token(
    keytab: Path, jane: Ticket, monkeypatch: pytest.MonkeyPatch
) -> None:
    acceptor = Acceptor(Kerberos(keytab))
    token = jane.token()

    def broken(sent: bytes) -> None:
        raise RuntimeError(sent.hex())

    monkeypatch.setattr(acceptor, "_accept", broken)
    with structlog.testing.capture_logs() as logged:
        outcome = await acceptor.accept(token)
    assert isinstance(outcome, Rejection)
    assert outcome.kind == "unavailable"
    assert logged == [{"event": "kerberos-fault", "error": "RuntimeError", "log_level": "error"}]
    assert token.hex()[:16] not in outcome.problem
    acceptor.close()


# what is kept -------------------------------------------------------------------------------------


async def test_nothing_of_a_thousand_broken_tokens_is_kept(
    acceptor: Acceptor, jane: Ticket
) -> None:
    half_way = [jane.token(flags=DCE_STYLE) for _ in range(400)]
    damaged = jane.token()[:-30]
    kinds: set[str] = set()

    async def a_round(number: int) -> None:
        for n in range(number):
            sent = [half_way[-1], damaged, os.urandom(300)][n % 3]
            if n % 3 == 0:
                half_way.pop()
            outcome = await acceptor.accept(sent)
            assert isinstance(outcome, Rejection)
            kinds.add(outcome.kind)

    await a_round(150)  # what the library keeps once for all is there now
    memory = resident()  # which ends what other tests have left, first
    files = open_files()
    await a_round(1000)
    assert kinds == {"unfinished", "malformed"}
    assert open_files() == files
    # 333 contexts that were kept would be 1.6 MB (tried)
    assert resident() - memory < 500_000


def resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a folder of the kernel's


async def test_a_delegated_ticket_is_not_kept(
    acceptor: Acceptor, forwardable: Ticket, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = acceptor._gssapi.raw
    accept, results = raw.accept_sec_context, []

    def watched(*args: Any) -> Any:
        results.append(accept(*args))
        return results[-1]

    monkeypatch.setattr(raw, "accept_sec_context", watched)
    token = forwardable.token(flags=DELEGATE)
    assert isinstance(await acceptor.accept(token), Proof)
    assert results[0].delegated_creds is not None, "the client did not delegate"
    # held by this list alone, and by the call
    holders = [sys.getrefcount(results[0]), sys.getrefcount(results[0].delegated_creds)]
    assert max(holders) <= 2


@pytest.fixture(scope="module")
def forwardable(kdc: Kdc) -> Ticket:
    # Clients delegate to services that the KDC marks as trusted for it, and only to these.
    kdc.admin("FORCE.EXAMPLE", f"modprinc +ok_as_delegate {SERVICE}")
    return kdc.kinit("Jane", "s3cret", options=("-f",))
