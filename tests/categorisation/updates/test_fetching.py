"""Fetching: what comes whole is taken; all else is refused, and says why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.certificates import WebAuthority
from support.listserver import Answer, ListServer

from proxy_addons.categorisation.updates import addresses
from proxy_addons.categorisation.updates.addresses import is_public
from proxy_addons.categorisation.updates.fetching import (
    Fetched,
    FetchError,
    Validators,
    Wanted,
    fetch,
)

if TYPE_CHECKING:
    from pathlib import Path

BODY = bytes(range(256)) * 64


def got(place: str, target: Path, **more: object) -> Fetched | None:
    limits: dict[str, object] = {"max_size": 1 << 20, "timeout": 20.0, "proxy": "direct", **more}
    return fetch(Wanted(place, **limits), target, lambda _done, _total: None)  # type: ignore[arg-type]


def test_a_file_comes_whole_and_then_not_again(lists: ListServer, tmp_path: Path) -> None:
    lists.answers["a"] = Answer(BODY)
    told: list[tuple[int, int]] = []
    wanted = Wanted(lists.url("a"), len(BODY), 20, "direct")
    found = fetch(wanted, tmp_path / "a", lambda done, total: told.append((done, total)))
    assert found is not None
    assert found.path.read_bytes() == BODY
    assert found.size == len(BODY)
    assert told[-1] == (len(BODY), len(BODY))
    known = found.validators
    assert known == Validators(lists.answers["a"].etag, None)
    assert got(lists.url("a"), tmp_path / "b", known=known) is None
    lists.answers["a"] = Answer(BODY + b"!")
    assert got(lists.url("a"), tmp_path / "c", known=known) is not None
    assert lists.asked == [("a", False), ("a", True), ("a", True)]


@pytest.mark.parametrize(
    ("answer", "more", "says"),
    [
        (Answer(BODY, fault="cut"), {}, "cut short on the way"),
        (Answer(b"x" * 9, fault="drip"), {"timeout": 0.5}, "not all of it came within 0.5 s"),
        (Answer(BODY), {"max_size": len(BODY) - 1}, "larger than max_size allows"),
        (Answer(BODY, fault="endless"), {"max_size": 1 << 19}, "larger than max_size allows"),
        (Answer(BODY, fault="coded"), {}, "compressed it, which was not asked for"),
        (Answer(b""), {}, "there is nothing in it"),
        (Answer(fault="404"), {}, "answered with status 404"),
        (Answer(fault="206"), {}, "answered with status 206"),
        (Answer(fault="304"), {}, "answered with status 304"),
        (Answer(fault="to ftp://127.0.0.1/a"), {}, "no plain http"),
        (Answer(fault="to http://me:pw@127.0.0.1/a"), {}, "no plain http"),
        (Answer(fault="to http://["), {}, "no plain http"),
        (Answer(fault="to a"), {}, "redirected more than 5 times"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_goes_wrong(
    answer: Answer, more: dict[str, float], says: str, lists: ListServer, tmp_path: Path
) -> None:
    lists.answers["a"] = answer
    with pytest.raises(FetchError, match=says) as caught:
        got(lists.url("a"), tmp_path / "a", **more)
    assert "pw" not in str(caught.value)


def test_where_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot be reached or read: Connect"):
        got("http://127.0.0.1:9/a", tmp_path / "a")


def test_a_redirect_is_followed(lists: ListServer, tmp_path: Path) -> None:
    lists.answers |= {"a": Answer(fault="to b"), "b": Answer(BODY)}
    found = got(lists.url("a"), tmp_path / "a")
    assert found is not None
    assert found.path.read_bytes() == BODY


def test_https_is_verified(lists: ListServer, tmp_path: Path) -> None:
    lists.answers["a"] = Answer(BODY)
    trusted = str(lists.authority.file)
    assert got(lists.url("a", "https"), tmp_path / "a", ca_file=trusted) is not None
    with pytest.raises(FetchError, match="certificate is not to be trusted"):
        got(lists.url("a", "https"), tmp_path / "b")
    other = WebAuthority(tmp_path, "Another Authority")
    with pytest.raises(FetchError, match="certificate is not to be trusted"):
        got(lists.url("a", "https"), tmp_path / "c", ca_file=str(other.file))


def test_the_name_is_verified(lists: ListServer, tmp_path: Path) -> None:
    lists.answers["a"] = Answer(BODY)
    wrong = lists.url("a", "https", "127.0.0.2").replace("127.0.0.2", "[::ffff:127.0.0.1]")
    with pytest.raises(FetchError, match="certificate is not to be trusted"):
        got(wrong, tmp_path / "a", ca_file=str(lists.authority.file))


def test_https_does_not_lead_to_http(lists: ListServer, tmp_path: Path) -> None:
    lists.answers |= {"a": Answer(fault=f"to {lists.url('b')}"), "b": Answer(BODY)}
    with pytest.raises(FetchError, match="redirected from https to http"):
        got(lists.url("a", "https"), tmp_path / "a", ca_file=str(lists.authority.file))
    assert ("b", False) not in lists.asked


@pytest.mark.parametrize("host", ["127.0.0.2", "0x7f.2"])
def test_the_internet_does_not_lead_inside(
    host: str, lists: ListServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 127.0.0.1 plays the Internet: the tests have no other.
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    lists.answers |= {
        "a": Answer(fault=f"to {lists.url('b', host=host)}"),
        "c": Answer(fault=f"to {lists.url('b', host='0x7f.1')}"),
        "b": Answer(BODY),
    }
    with pytest.raises(FetchError, match=f"{host} has an address that is not one of the Internet"):
        got(lists.url("a"), tmp_path / "a")
    assert got(lists.url("c"), tmp_path / "c") is not None


def test_a_source_inside_may_lead_inside(
    lists: ListServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda _: False)
    lists.answers |= {
        "a": Answer(fault=f"to {lists.url('b', host='localhost')}"),
        "b": Answer(BODY),
    }
    assert got(lists.url("a"), tmp_path / "a") is not None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        *((inside, False) for inside in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1")),
        *((inside, False) for inside in ("fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1")),
        *((inside, False) for inside in ("224.0.0.1", "0.0.0.0", "100.64.0.1", "192.168.1.1")),
    ],
)
def test_addresses_inside(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_proxy_is_asked(
    lists: ListServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists.answers["a"] = Answer(BODY)
    proxy = f"http://127.0.0.1:{lists.web.parent}"
    place = "http://lists.test/lists/a"
    assert got(place, tmp_path / "a", proxy=proxy) is not None
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    assert got(place, tmp_path / "b", proxy=None) is not None
    assert [asked.line for asked in lists.web.asked] == [f"GET {place} HTTP/1.1"] * 2
    monkeypatch.setenv("no_proxy", "lists.test")
    with pytest.raises(FetchError):
        got(place, tmp_path / "c", proxy=None)
    assert len(lists.web.asked) == 2


def test_from_disk(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BODY)
    found = got(str(source), tmp_path / "a")
    assert found is not None
    assert found.path.read_bytes() == BODY
    assert got(str(source), tmp_path / "b", known=found.validators) is None
    os.utime(source, ns=(1, 1))
    assert got(str(source), tmp_path / "c", known=found.validators) is not None
    with pytest.raises(FetchError, match="larger than max_size"):
        got(str(source), tmp_path / "d", max_size=100)
    with pytest.raises(FetchError, match="cannot be reached or read: No such file"):
        got(str(tmp_path / "none"), tmp_path / "e")
    assert got(str(tmp_path), tmp_path / "f") == Fetched(tmp_path, 0, Validators())
