"""The spellings of tests/cases/urlkeys.yaml, one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from proxy_addons.urlkey import (
    UrlKeyError,
    authority_key,
    host_key,
    other_reading,
    request_key,
    url_key,
)

CASES = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "urlkeys.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("written", "canonical"), CASES["urls"])
def test_a_url_has_one_spelling(written: str, canonical: str) -> None:
    assert str(url_key(written)) == canonical


@pytest.mark.parametrize(("written", "message"), CASES["url_errors"])
def test_a_url_without_one_meaning_is_an_error(written: str, message: str) -> None:
    with pytest.raises(UrlKeyError, match=message):
        url_key(written)


@pytest.mark.parametrize(("authority", "default_port", "host", "port"), CASES["authorities"])
def test_an_authority_has_one_spelling(
    authority: str, default_port: int, host: str, port: int
) -> None:
    assert authority_key(authority, default_port) == (host, port)


@pytest.mark.parametrize(("authority", "message"), CASES["authority_errors"])
def test_an_authority_without_one_meaning_is_an_error(authority: str, message: str | None) -> None:
    if message is None:
        assert authority_key(authority, 1234) == ("example.com", 1234)
        return
    with pytest.raises(UrlKeyError, match=message):
        authority_key(authority, 443)


@pytest.mark.parametrize(("scheme", "authority", "target", "canonical"), CASES["requests"])
def test_a_request_has_one_key(scheme: str, authority: str, target: str, canonical: str) -> None:
    assert str(request_key(scheme, authority, target)) == canonical


@pytest.mark.parametrize(("scheme", "authority", "target", "message"), CASES["request_errors"])
def test_a_request_without_one_meaning_is_an_error(
    scheme: str, authority: str, target: str, message: str
) -> None:
    with pytest.raises(UrlKeyError, match=message):
        request_key(scheme, authority, target)


def test_the_parts_of_a_key() -> None:
    key = url_key("https://u:p@WWW.Example.com:8443/a/?b=c#d")
    assert (key.scheme, key.host, key.port, key.path, key.query, key.is_address) == (
        "https",
        "www.example.com",
        8443,
        "/a/",
        "b=c",
        False,
    )
    assert url_key("http://0x7f.1/").is_address
    assert url_key("http://[2001:db8::1]/").host == "2001:db8::1"


@pytest.mark.parametrize(
    ("host", "sound"),
    [
        ("a" * 63 + ".example", True),
        ("a" * 64 + ".example", False),
        (".".join(["a" * 63] * 3 + ["a" * 61]), True),
        (".".join(["a" * 63] * 3 + ["a" * 61]) + ".", True),
        (".".join(["a" * 63] * 3 + ["a" * 62]), False),
        ("ü" * 57 + ".example", True),
        ("ü" * 58 + ".example", False),
        ("üé" * 31 + ".example", False),
        ("\u00ad" * 300 + "example.com", True),
        ("\u00ad" * 2000 + "example.com", False),
        ("%61" * 63 + ".example", True),
    ],
)
def test_limits_of_names_are_exact(host: str, sound: bool) -> None:
    if sound:
        assert host_key(host)
    else:
        with pytest.raises(UrlKeyError, match="longer than"):
            host_key(host)


def test_a_url_longer_than_64_kib_is_refused_and_one_of_64_kib_is_not() -> None:
    start = "http://example.com/"
    assert len(str(url_key(start + "a" * (65_536 - len(start))))) == 65_536
    with pytest.raises(UrlKeyError, match="longer than 65536 octets"):
        url_key(start + "a" * (65_537 - len(start)))
    with pytest.raises(UrlKeyError, match="longer than 65536 octets"):
        url_key(start + "é" * 33_000)
    with pytest.raises(UrlKeyError, match="longer than 65536 octets"):
        request_key("http", "example.com", "/" + "a" * 65_536)


def test_octets_that_are_no_utf_8_keep_their_value() -> None:
    assert url_key("http://example.com/\udcff?\udcfe").path == "/%FF"
    assert url_key("http://example.com/\udcff?\udcfe").query == "%FE"


def test_bare_and_bracketed_ipv6_are_one_host() -> None:
    assert host_key("[2001:DB8::0:1]") == host_key("2001:db8::1") == "2001:db8::1"


@pytest.mark.parametrize(
    "url",
    [
        "http://hunter2:hunter2@exa mple.com/",
        "http://user:hunter2@example.com:bad/",
        "http://a@user:hunter2@example.com/",
        "http://user:hunter2/@example.com/",
        "ftp://user:hunter2@example.com/",
        "http://user:hunter2@" + "a" * 70,
    ],
)
def test_an_error_never_repeats_a_password(url: str) -> None:
    with pytest.raises(UrlKeyError) as caught:
        url_key(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/", None),
        ("/a/b", None),
        ("/a%20b", None),
        ("/a;b", "/a"),
        ("/a;b/c;d=%2F", "/a/c"),
        ("/a%2Fb", "/a/b"),
        ("/a%5Cb", "/a/b"),
        ("/a/..%2Fb", "/b"),
        ("/..;/b", "/b"),
        ("/a%252Fb", None),
    ],
)
def test_a_path_that_servers_read_in_two_ways(path: str, other: str | None) -> None:
    assert other_reading(path) == other
