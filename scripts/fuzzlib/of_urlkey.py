"""Target: the URL key.

Whatever is written, it is one key of strict form, or a UrlKeyError; and where other parsers read a
host in it, theirs is ours.

In: an address. Out: nothing, or a finding. Must never: ask a name server.

Second opinions: the WHATWG parser of Chromium's relatives (ada), Python's (urllib, yarl) and that
of Node (llhttp through httptools), those of them that are installed.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fuzzlib.optional import optional
from proxy_addons.urlkey import (
    UrlKey,
    UrlKeyError,
    authority_key,
    host_key,
    path_key,
    request_key,
    url_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ada: Any = optional("ada_url")
yarl: Any = optional("yarl")
httptools: Any = optional("httptools")

_DEFAULTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SEEDS = (
    "http://example.com/",
    "https://user:pw@EXAMPLE.com.:8443/a/../b/%2e%2E/c?q=%41#f",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://2130706433",
    "http://127.0.0.1:80/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]:8080/",
    "http://xn--bcher-kva.example/",
    "http://bücher.example/ß",
    "http://EXAMPLE。com/",
    "http://①②⑦.0.0.1/",
    "http://%65xample.com/",
    "http://a\\@b/",
    "http://a/;@b/../..;/c",
    "//example.com/x",
    "example.com:443",
    "wss://example.com/socket?x=1",
    "http://☃.example/\u200d",
    "http://1.2.3.4.:1/",
    "http://faß.example/",
    "http:///example.com/",
    "http:example.com",
    "http://exa\tmple.com/",
)
_WORDS = (
    *(
        "http://",
        "https://",
        "ws://",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "?",
        "#",
        "[",
        "]",
        "%",
        ".",
        "..",
    ),
    *("xn--", "0x", "0", "%2e", "%2F", "%00", "%40", "%5c", "%EF%BC%8E", "::ffff:", "64:ff9b::"),
    *(
        "127.0.0.1",
        "::1",
        "ü",
        "ß",
        "。",
        "\uff0e",
        "\uff11",
        "\u200d",
        "\u00ad",
        "\u0301",
        "℀",
        "א",
    ),
    *("\u0661", "Ⅷ", "ﬀ", "\u2024", "K", "İ", "ς", ":80", ":0", ":65536", "\t", "\n", " ", "\x7f"),
)


def seeds() -> list[bytes]:
    """Addresses in many spellings."""
    return [text.encode() for text in _SEEDS]


def words() -> list[bytes]:
    """What parsers trip over."""
    return [text.encode() for text in _WORDS]


def check(data: bytes) -> None:
    """One key, or a UrlKeyError; the same host as others read."""
    for text in (data.decode("utf-8", "surrogateescape"), data.decode("latin-1")):
        _check_url(text)
        _check_authority(text)
        _check_request(text)
        with suppress(UrlKeyError):
            host = host_key(text)
            assert host_key(host) == host, "a host's key is not its own key"


def _check_url(text: str) -> None:
    try:
        key = url_key(text)
    except UrlKeyError as error:
        if len(text) >= 8 and text in str(error):
            raise AssertionError("an error that repeats the address") from error
        return
    _sound(key)
    for who, host, port, path in _others(text):
        assert host == key.host, f"{who} reads the host {host!r}, the key has {key.host!r}"
        assert port in (None, key.port), f"{who} reads the port {port}, the key has {key.port}"
        assert path in (None, key.path), f"{who} reads the path {path!r}, the key has {key.path!r}"


def _check_authority(text: str) -> None:
    with suppress(UrlKeyError):
        host, port = authority_key(text, 443)
        written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        assert authority_key(written, 443) == (host, port), "an authority's key is not its own"
        # An IPv6 host without brackets is no URL's.
        if not (text.count(":") > 1 and "[" not in text):
            for who, theirs, there, _ in _others(f"https://{text}/"):
                assert theirs == host, f"{who} reads the authority as {theirs!r}, we as {host!r}"
                assert there in (None, port), f"{who} reads the port {there}, we {port}"


def _check_request(text: str) -> None:
    for authority, target in (("example.com", text), (text, "/a?b"), ("example.com", "/" + text)):
        with suppress(UrlKeyError):
            key = request_key("http", authority, target)
            _sound(key)
            if target.startswith("/") and authority == "example.com":
                assert key.host == "example.com", "a path that changes the host"


def _sound(key: UrlKey) -> None:
    assert url_key(str(key)) == key, "a key's own spelling has another key"
    assert key.path.startswith("/")
    assert path_key(key.path) == key.path
    assert not {".", ".."} & set(key.path.split("/")), "a dot segment is left"
    assert str(key).isascii()
    assert str(key).isprintable()


def _others(text: str) -> Iterator[tuple[str, str, int | None, str | None]]:
    """How others read an address: name, host, port and path, as keys; not where they refuse it."""
    if ada is not None and not any("\ud800" <= character <= "\udfff" for character in text):
        # A UrlKeyError for its host is a fault of its own: it does not normalise every name (NFC).
        with suppress(ValueError):
            url = ada.URL(text)
            scheme = url.protocol.removesuffix(":")
            if scheme in _DEFAULTS:
                port = int(url.port) if url.port else _DEFAULTS[scheme]
                yield "ada", _plain(url.hostname), port, path_key(url.pathname)
    with suppress(ValueError):
        parts = urlsplit(text)
        if parts.hostname:
            yield "urllib", host_key(parts.hostname), parts.port, None
    if yarl is not None and text.isascii() and "%" not in text:  # its IDNA is that of 2003
        with suppress(ValueError, TypeError):
            url = yarl.URL(text)
            if url.host:
                yield "yarl", host_key(url.host), url.port, None
    if httptools is not None:
        with suppress(httptools.HttpParserInvalidURLError, UnicodeError, UrlKeyError):
            url = httptools.parse_url(text.encode("latin-1"))
            if url.host:
                yield "llhttp", host_key(url.host.decode("latin-1")), url.port, None


def _plain(host: str) -> str:
    """A host as WHATWG writes it, as our keys have it: no brackets, no final dot, mapped IPv4."""
    if host.startswith("["):
        address = IPv6Address(host[1:-1])
        if address.ipv4_mapped is not None or int(address) >> 32 == 0x64FF9B << 64:
            return host_key(host)
        return str(address)
    return host_key(host)
