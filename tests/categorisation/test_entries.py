"""What a line of a list means, and what it cannot mean."""

from __future__ import annotations

import pytest

from proxy_addons.categorisation.entries import (
    EntryError,
    domain_entry,
    expression_entry,
    expression_text,
    readable,
    request_text,
    url_entry,
    without_common_label,
)
from proxy_addons.urlkey import UrlKey, url_key


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("example.com", "com.example."),
        ("  Example.COM.  ", "com.example."),
        ("example.com\r", "com.example."),
        (".example.com", "com.example."),
        ("www.example.com", "com.example.www."),
        ("example.com # why", "com.example."),
        ("example.com\t#why", "com.example."),
        ("bücher.example", "example.xn--bcher-kva."),
        ("_x.example", "example._x."),
        ("xxx", "xxx."),
        ("192.0.2.1", "[192.0.2.1]."),
        ("0xC0000201", "[192.0.2.1]."),
        ("2001:DB8::1", "[2001:db8::1]."),
        ("[2001:db8::1]", "[2001:db8::1]."),
        ("", None),
        ("   ", None),
        ("# a comment", None),
        ("  # a comment", None),
        ("#example.com", None),
    ],
)
def test_a_line_of_domains(line: str, text: str | None) -> None:
    assert domain_entry(line) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("*.example.com", "covers its subdomains"),
        ("http://example.com", "without scheme"),
        ("example.com/path", "belongs in the file urls"),
        ("0.0.0.0 example.com", "more than one entry"),
        ("example..com", "empty label"),
        ("example.com:80", "not a host"),
        ("user@example.com", "not a host"),
        ("exa mple.com", "more than one entry"),
        ("||example.com^", "not a host"),
        ("\udcff.example", "not a host"),
        ("a" * 300, "not a host"),
        ("a" * 70_000, "longer than 65536"),
        ("..", "not a host"),
    ],
)
def test_a_line_of_domains_that_means_nothing(line: str, message: str) -> None:
    with pytest.raises(EntryError, match=message):
        domain_entry(line)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("example.com/a/b", "com.example./a/b"),
        ("Example.com/A/B?C=D", "com.example./a/b?c=d"),
        ("www.example.com/a", "com.example./a"),
        ("web12.example.com/a", "com.example./a"),
        ("ftp.example.com/a", "com.example./a"),
        ("www.com/a", "com.www./a"),
        ("wwwx.example.com/a", "com.example.wwwx./a"),
        ("web20.pl/a", "pl.web20./a"),
        ("example.com", "com.example./"),
        ("example.com/", "com.example./"),
        ("example.com//a///b", "com.example./a/b"),
        ("example.com/%7euser/%c3%A9", "com.example./~user/%c3%a9"),
        ("example.com/é", "com.example./%c3%a9"),
        ("example.com/a/../b", "com.example./b"),
        ("example.com?x=%61", "com.example./?x=a"),
        ("example.com/x?", "com.example./x?"),
        ("https://www.example.com/a", "com.example./a"),
        ("192.0.2.1/a", "[192.0.2.1]./a"),
        ("[2001:db8::1]/a", "[2001:db8::1]./a"),
        ("example.com/a#part", "com.example./a"),
        ("example.com/?a#part", "com.example./?a"),
        ("example.com/a # why", "com.example./a"),
        ("# example.com/a", None),
        ("", None),
    ],
)
def test_a_line_of_urls(line: str, text: str | None) -> None:
    assert url_entry(line) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("example.com/#part", "whole site"),
        ("example.com#part", "whole site"),
        ("example.com//#part", "whole site"),
        ("example.com:8080/a", "no port"),
        ("user@example.com/a", "no user name"),
        ("example.com/a b", "more than one entry"),
        ("example.com/a\\.b", "backslash"),
        ("/a", "not a host"),
        ("exam*ple.com/a", "not a host"),
        ("example.com/" + "a" * 70_000, "longer than 65536"),
    ],
)
def test_a_line_of_urls_that_means_nothing(line: str, message: str) -> None:
    with pytest.raises(EntryError, match=message):
        url_entry(line)


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("/banner/", "/banner/"),
        (" /banner/ \r", "/banner/"),
        ("a#b", "a#b"),
        (r"\<sex\>", r"\bsex\b"),
        (r"a\\<b", r"a\\<b"),
        (r"\.exe$", r"\.exe$"),
        ("# comment", None),
        ("", None),
    ],
)
def test_a_line_of_expressions(line: str, pattern: str | None) -> None:
    assert expression_entry(line) == pattern


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (r"(a)\1", "RE2"),
        ("(?=a)", "RE2"),
        ("(unclosed", "RE2"),
        ("a" * 5000, "longer than 4096"),
        ("\x1b[31m(", r"\\x1b"),
    ],
)
def test_a_line_of_expressions_that_cannot_be_used(line: str, message: str) -> None:
    with pytest.raises(EntryError, match=message):
        expression_entry(line)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://example.com", "com.example./"),
        ("http://www.example.com/A//B?C=%44", "com.example./a/b?c=d"),
        ("http://web3.example.com/", "com.example./"),
        ("http://192.0.2.1/A", "[192.0.2.1]./a"),
        ("http://[2001:db8::1]/", "[2001:db8::1]./"),
    ],
)
def test_a_request_is_looked_up_by_the_same_spelling(url: str, text: str) -> None:
    key = url_key(url)
    assert request_text(key, without_common_label(key.host)) == text


@pytest.mark.parametrize(
    ("host", "bare"),
    [
        ("www.example.com", "example.com"),
        ("ftp3.example.com", "example.com"),
        ("www.com", "www.com"),
        ("wwwx.example.com", "wwwx.example.com"),
        # A name may begin with w or f and have such a label further on, which is not common.
        ("field.web.example.com", "field.web.example.com"),
        ("freeweb.example.com", "freeweb.example.com"),
        ("www.www.example.com", "www.example.com"),
    ],
)
def test_a_common_label_is_the_first_one(host: str, bare: str) -> None:
    assert without_common_label(host) == bare


def test_a_host_alone_is_looked_up_as_its_root() -> None:
    assert request_text(UrlKey("", "example.com", 443), "example.com") == "com.example./"


def test_expressions_see_host_path_and_query() -> None:
    assert expression_text(url_key("https://www.example.com:8443/A?b")) == "www.example.com/A?b"
    assert expression_text(UrlKey("", "example.com", 443)) == "example.com/"


@pytest.mark.parametrize(
    "entry", ["example.com", "a.b.example.com/c/d?e", "192.0.2.1", "192.0.2.1/a"]
)
def test_an_entry_can_be_read_back(entry: str) -> None:
    assert readable(url_entry(entry) or "") == (entry if "/" in entry else entry + "/")
    if "/" not in entry:
        assert readable(domain_entry(entry) or "") == entry
