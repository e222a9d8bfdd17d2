"""Repositories of Git: told by what Git itself says and writes, however little of it has come."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repository import DELIMITER, FLUSH, Repository, packet

from proxy_addons.content.declared import NOTHING, declared_of
from proxy_addons.content.repositories import is_object, is_of_repository, is_packed
from proxy_addons.content.types import is_plain, types_of

FOUND = {"git-repository"}
V2 = "GIT_PROTOCOL=version=2"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def said(repository: Repository) -> dict[str, bytes]:
    """What there is to be seen of a repository, by Git itself."""
    head = repository.head()

    def upload_pack(*lines: bytes, v2: bool = False, advertise: bool = False) -> bytes:
        version = ["env", V2] if v2 else ["env"]
        how = ["--advertise-refs"] if advertise else []
        shell = [*version, "git", "upload-pack", "--stateless-rpc", *how, str(repository.bare)]
        return repository.git("-c", f"alias.x=!{' '.join(shell)}", "x", given=b"".join(lines))

    want = packet(f"want {head}")
    fetch = packet("command=fetch") + DELIMITER
    before = repository.git("rev-parse", "main").decode().strip()
    repository.pack()
    (pack,) = (repository.bare / "objects/pack").glob("*.pack")
    repository.commit({"one": b"a file"})
    one = repository.git("rev-parse", "main:one").decode().strip()
    repository.git("bundle", "create", "--quiet", str(repository.bare / "b"), "main")
    service = b"001e# service=git-upload-pack\n0000"
    return {
        "list": service + upload_pack(advertise=True),
        "list, version 2": upload_pack(advertise=True, v2=True),
        "list, version 2, as some servers say it": service + upload_pack(advertise=True, v2=True),
        "branches, version 2": upload_pack(
            packet("command=ls-refs") + DELIMITER + packet("symrefs") + FLUSH, v2=True
        ),
        "pack": upload_pack(want, FLUSH, packet("done")),
        "pack beside messages": upload_pack(
            packet(f"want {head} side-band-64k ofs-delta"), FLUSH, packet("done")
        ),
        "pack, a part of the history": upload_pack(
            packet(f"want {head} side-band-64k shallow"), packet("deepen 1"), FLUSH, packet("done")
        ),
        "pack, more of the history than there is": upload_pack(
            packet(f"want {head} side-band-64k shallow"), packet("deepen 9"), FLUSH, packet("done")
        ),
        "what is common": upload_pack(want, FLUSH, packet(f"have {before}"), FLUSH),
        "pack, version 2": upload_pack(fetch, want, packet("done"), FLUSH, v2=True),
        "pack, a part of the history, version 2": upload_pack(
            fetch, want, packet("deepen 1"), packet("done"), FLUSH, v2=True
        ),
        "what is common, version 2": upload_pack(
            fetch, want, packet(f"have {before}"), FLUSH, v2=True
        ),
        "list of files": (repository.bare / "info/refs").read_bytes(),
        "file of a pack": pack.read_bytes(),
        "file of an object": (repository.bare / "objects" / one[:2] / one[2:]).read_bytes(),
        "bundle": (repository.bare / "b").read_bytes(),
    }


NAMES = (
    *("list", "list, version 2", "list, version 2, as some servers say it", "branches, version 2"),
    *("pack", "pack beside messages", "pack, a part of the history"),
    *("pack, more of the history than there is", "what is common", "pack, version 2"),
    *("pack, a part of the history, version 2", "what is common, version 2"),
    *("list of files", "file of a pack", "file of an object", "bundle"),
)


@pytest.mark.parametrize("kind", ["", "text/css", "application/json", "text/html", "image/png"])
@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_said_of_it(name: str, kind: str, said: dict[str, bytes]) -> None:
    head, declared = said[name], declared_of("/a/b", kind, "")
    assert types_of(head[:40_000], declared, whole=False) >= FOUND, head[:80]
    for length in (16, 64, 1000, len(head)):
        assert not is_plain(head[:length], declared)


def test_all_are_there(said: dict[str, bytes]) -> None:
    assert set(said) == set(NAMES)
    assert all(len(each) >= 16 for each in said.values())
    assert said["pack, more of the history than there is"].startswith(FLUSH)


def test_how_much_has_to_have_come(said: dict[str, bytes]) -> None:
    """An object's name is the longest of what tells."""
    for name in NAMES:
        assert types_of(said[name][:64], NOTHING, whole=False) == FOUND, name


def test_what_is_pushed_is_none(repository: Repository) -> None:
    service = b"001f# service=git-receive-pack\n0000"
    listed = repository.git("receive-pack", "--advertise-refs", str(repository.bare))
    assert not is_of_repository(service + listed)
    assert not is_of_repository(b"0030\x01000eunpack ok\n0019ok refs/heads/main\n00000000")


@pytest.mark.parametrize(
    "body",
    [
        b"deadbeef is not a name",
        b"0123 Main Street\n",
        b"da39a3ee5e6b4b0d3255bfef95601890afd80709  a.txt\n",
        b"# v2 of the git bundle\n",
        zlib.compress(b"a text"),
        zlib.compress(b"blob of text"),
        b"x\x9c" + bytes(40),
        b"x",
    ],
)
def test_what_only_looks_like_it(body: bytes) -> None:
    assert not types_of(body, NOTHING, whole=True) & FOUND


@given(st.binary(max_size=80), st.sampled_from([b"", b"x\x9c", b"0000", b"PACK"]))
def test_whatever_comes(body: bytes, start: bytes) -> None:
    assert is_of_repository(b"0008NAK\n" + body)
    for told in (is_of_repository(start + body), is_object(start + body)):
        assert told in {True, False}


def test_what_is_sent_packed() -> None:
    old, new = "0" * 40, "8" * 40
    told = "\0report-status-v2 side-band-64k"
    for body in (
        packet(f"{old} {new} refs/heads/main{told}") + FLUSH + b"PACK\0\0\0\2",
        packet(f"{'0' * 64} {'8' * 64} refs/heads/main{told}") + FLUSH,
        packet(f"shallow {new}") + packet(f"{old} {new} refs/heads/main{told}") + FLUSH,
        packet(f"push-cert{told}"),
        b"PACK\0\0\0\2\0\0\0\3",
        b"# v2 git bundle\n",
    ):
        assert is_packed(body), body


@pytest.mark.parametrize("name", ["list", "list, version 2", "branches, version 2"])
def test_what_is_asked_for_or_said_is_not_sent(name: str, said: dict[str, bytes]) -> None:
    want = packet(f"want {'8' * 40} side-band-64k") + FLUSH + packet("done")
    for body in (said[name], want, packet("command=ls-refs") + DELIMITER, FLUSH, b"", b"PACK"):
        assert not is_packed(body), body
