"""Which categories an address has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import CategoryIndex, compile_index, read_sources
from proxy_addons.categorisation import index as module
from proxy_addons.categorisation.entries import EntryError, domain_entry, url_entry
from proxy_addons.urlkey import UrlKey, url_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Lists, Place

    type IndexOf = Callable[[Lists], CategoryIndex]

LISTS = {
    "starter": {
        "games/domains": "# comment\nexample.com\nplay.example.org\n192.0.2.1\n2001:db8::1\n",
        "news/urls": "example.com/news\nwww2.example.net/a/\nexample.org\n192.0.2.2/x\n",
        "adverts/expressions": "/banner/\n^example\\.edu/\n",
    },
    "ut1": {
        "shopping/domains": "example.com\nshop.example.com\n",
        "phishing/urls": "example.com/news/login?id=1\n",
    },
}


@pytest.mark.parametrize(
    ("url", "categories"),
    [
        # a name covers itself and its subdomains, never a look-alike
        ("http://example.com/", {"games", "shopping"}),
        ("https://WWW.Example.COM.:8443/x?y", {"games", "shopping"}),
        ("http://a.b.shop.example.com/", {"games", "shopping"}),
        ("http://badexample.com/", set()),
        ("http://example.com.evil.test/", set()),
        ("http://com/", set()),
        ("http://play.example.org/", {"games"}),
        ("http://display.example.org/", set()),
        # addresses, in any spelling; no name is below an address
        ("http://192.0.2.1/", {"games"}),
        ("http://0xc0000201/", {"games"}),
        ("http://192.0.2.10/", set()),
        ("http://1.192.0.2/", set()),
        ("http://[2001:DB8:0::1]/", {"games"}),
        ("http://[::ffff:192.0.2.1]/", {"games"}),
        ("http://[2001:db8::11]/", set()),
        # a URL entry: its host only, its path as a prefix of text, case folded, www dropped
        ("http://example.com/news", {"games", "shopping", "news"}),
        ("http://www.example.com/NEWS/today", {"games", "shopping", "news"}),
        ("http://example.com/newsroom", {"games", "shopping", "news"}),
        ("http://example.com//news", {"games", "shopping", "news"}),
        ("http://example.com/x/../%6eews", {"games", "shopping", "news"}),
        ("http://example.com/new", {"games", "shopping"}),
        ("http://example.com/x/news", {"games", "shopping"}),
        ("http://m.example.com/news", {"games", "shopping"}),
        ("http://example.com/news/login?ID=%31&x", {"games", "shopping", "news", "phishing"}),
        ("http://example.com/news/login?x&id=1", {"games", "shopping", "news"}),
        ("http://example.net/a/b", {"news"}),
        ("http://www7.example.net/a/b", {"news"}),
        ("http://example.net/a", set()),
        ("http://192.0.2.2/x", {"news"}),
        # a URL entry without a path is its whole host
        ("http://example.org/any", {"news"}),
        ("http://www.example.org/any", {"news"}),
        ("http://sub.example.org/any", set()),
        # expressions: anywhere in host, path and query, whatever the case
        ("http://other.test/Banner/1", {"adverts"}),
        ("http://other.test/?/banner/", {"adverts"}),
        ("http://example.com/banner/1", {"games", "shopping", "adverts"}),
        ("http://example.edu/", {"adverts"}),
        ("http://www.example.edu/", {"adverts"}),
        ("http://not.example.edu/", set()),
    ],
)
def test_lookup(index_of: IndexOf, url: str, categories: set[str]) -> None:
    index = index_of(LISTS)
    assert index.lookup(url_key(url)) == categories
    assert {match.category for match in index.explain(url_key(url))} == categories


@pytest.mark.parametrize(
    ("host", "categories"),
    [
        ("www.example.com", {"games", "shopping"}),
        ("example.org", {"news"}),
        ("example.net", set()),
        ("192.0.2.1", {"games"}),
    ],
)
def test_a_host_alone_has_the_categories_that_need_no_path(
    index_of: IndexOf, host: str, categories: set[str]
) -> None:
    key = UrlKey("", host, 443, is_address=host[0] == "1")
    assert index_of(LISTS).lookup(key) == categories


LOCAL = LISTS | {
    "local": {
        "news/domains": "example.com\n",
        "banking/domains": "www.example.com\nshop.example.com\n",
        "health/urls": "example.com/news/login\nexample.com/\n",
        "uncategorised/domains": "play.example.org\n",
        "police/expressions": "/case/\n",
        "legal/domains": "both.test\n",
        "charity/domains": "both.test\n",
    }
}


@pytest.mark.parametrize(
    ("url", "categories"),
    [
        ("http://a.example.com/", {"news"}),
        ("http://a.example.com/banner/", {"news"}),  # a local name beats any expression
        ("http://shop.example.com/", {"banking"}),  # the longer name
        ("http://x.shop.example.com/", {"banking"}),
        ("http://example.com/", {"health"}),  # a URL is more specific than a name
        ("http://www.example.com/", {"health"}),
        ("http://example.com/news/login?id=1", {"health"}),
        ("http://play.example.org/", set()),  # no category at all
        ("http://www.play.example.org/banner/", set()),
        ("http://other.test/case/banner/", {"police"}),  # a local expression beats listed ones
        ("http://192.0.2.1/case/", {"police"}),  # and listed names
        ("http://a.example.com/case/", {"news"}),  # but not local names
        ("http://both.test/", {"legal", "charity"}),
        ("http://example.net/a/", {"news"}),  # untouched by overrides
    ],
)
def test_local_overrides_win(index_of: IndexOf, url: str, categories: set[str]) -> None:
    index = index_of(LOCAL)
    assert index.lookup(url_key(url)) == categories
    counted = {match.category for match in index.explain(url_key(url)) if match.counts}
    assert counted - {"uncategorised"} == categories


def test_explain_names_every_entry_and_what_overrides_it(index_of: IndexOf) -> None:
    index = index_of(LOCAL)
    found = index.explain(url_key("http://www.example.com/news/banner/"))
    assert {
        (match.source, match.category, match.kind.value, match.entry, match.counts)
        for match in found
    } == {
        ("starter", "games", "domains", "example.com", False),
        ("ut1", "shopping", "domains", "example.com", False),
        ("local", "news", "domains", "example.com", False),
        ("local", "banking", "domains", "www.example.com", False),
        ("starter", "news", "urls", "example.com/news", False),
        ("local", "health", "urls", "example.com/", True),
        ("starter", "adverts", "expressions", "/banner/", False),
    }


def test_what_an_index_says_of_itself(index_of: IndexOf) -> None:
    index = index_of(LOCAL)
    assert index.categories == index.counts.keys()
    assert "uncategorised" not in index.categories
    assert index.counts_by_kind["news"] == {"domains": 1, "urls": 4}
    assert index.counts["news"] == 5
    assert index.counts["adverts"] == 2
    assert list(index.sources["news"]) == ["local", "starter"]
    assert index.built.utcoffset() is not None
    assert len(index.version) == 12
    assert index.skipped == 0


def test_an_unknown_long_or_strange_address_is_uncategorised(index_of: IndexOf) -> None:
    index = index_of(LISTS)
    assert index.lookup(url_key("http://unknown.test/" + "a" * 65_000)) == frozenset()
    assert index.lookup(url_key("http://unknown.test/?" + "%41/" * 16_000)) == frozenset()
    assert index.lookup(url_key("http://" + ".".join(["a"] * 127))) == frozenset()


# Few labels and paths, so that entries and requests meet often.
HOSTS = st.lists(
    st.sampled_from(["a", "b", "ab", "www", "web1", "com"]), min_size=1, max_size=4
).map(".".join)
PATHS = st.lists(st.sampled_from(["", "a", "A", "b", "ab"]), max_size=3).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
URLS = st.tuples(HOSTS, PATHS).map("".join)
CATEGORY = st.sampled_from(["x", "y", "z"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(CATEGORY, HOSTS), max_size=8),
    st.lists(st.tuples(CATEGORY, URLS), max_size=8),
    st.lists(st.tuples(HOSTS, PATHS), min_size=1, max_size=8),
)
def test_an_index_agrees_with_comparing_one_by_one(
    place: Place,
    domains: list[tuple[str, str]],
    urls: list[tuple[str, str]],
    asked: list[tuple[str, str]],
) -> None:
    files: dict[str, str] = {"z/domains": "never.test\n"}
    for category, entry in domains:
        files[f"{category}/domains"] = files.get(f"{category}/domains", "") + entry + "\n"
    for category, entry in urls:
        files[f"{category}/urls"] = files.get(f"{category}/urls", "") + entry + "\n"
    for old in place.folders.categories_dir.glob("starter/*/*"):
        old.unlink()
    index = place.write({"starter": files}).compiled()
    for host, path in asked:
        key = url_key(f"http://{host}{path}")
        expected = {c for c, name in domains if key.host == name or key.host.endswith("." + name)}
        expected |= {c for c, entry in urls if _is_below(key, entry)}
        assert index.lookup(key) == expected, (host, path)


def _is_below(key: UrlKey, entry: str) -> bool:
    host, slash, path = entry.partition("/")
    squeezed = "/".join(part for part in ("", *path.split("/")) if part)
    wanted = "/" + squeezed + ("/" if path.endswith("/") and squeezed else "")
    asked = "/" + "/".join(part for part in key.path.split("/") if part)
    if key.path.endswith("/") and asked != "/":
        asked += "/"
    return _bare(key.host) == _bare(host) and asked.lower().startswith(
        (wanted if slash else "/").lower()
    )


def _bare(host: str) -> str:
    first, _, rest = host.partition(".")
    return rest if first in {"www", "web1"} and "." in rest else host


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_a_line_is_an_entry_a_comment_or_an_entry_error(line: str) -> None:
    for parse in (domain_entry, url_entry):
        try:
            text = parse(line)
        except EntryError:
            continue
        if text is not None:
            assert text.isascii()
            assert "\n" not in text


def test_an_open_index_goes_on_when_the_file_is_replaced(place: Place) -> None:
    old = place.write({"starter": {"games/domains": "old.test\n"}}).compiled()
    assert not old.replaced()
    place.write({"starter": {"games/domains": "new.test\n"}})
    compile_index(read_sources(place.folders), place.index_file)
    assert old.replaced()
    assert old.lookup(url_key("http://old.test/")) == {"games"}
    assert old.lookup(url_key("http://new.test/")) == frozenset()
    new = CategoryIndex.open(place.index_file)
    assert new.lookup(url_key("http://new.test/")) == {"games"}
    assert new.version != old.version
    place.index_file.unlink()
    assert not new.replaced()
    assert new.lookup(url_key("http://new.test/")) == {"games"}


@pytest.mark.parametrize("kept", [1, 1000])
def test_what_is_remembered_of_hosts_changes_no_answer(
    kept: int, index_of: IndexOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, hosts with entries for their paths among them."""
    monkeypatch.setattr(module, "_HOSTS_KEPT", kept)
    lists = {source: dict(files) for source, files in LISTS.items()}
    lists["starter"].pop("adverts/expressions")
    urls = [
        f"http://{host}/{path}"
        for host in ("example.com", "www.example.com", "a.example.com", "example.org",
                     "play.example.org", "192.0.2.1", "192.0.2.2", "other.test")
        for path in ("", "news", "x", "news/login?id=1", "")
    ]  # fmt: skip
    index = index_of(lists)
    for url in (*urls, *reversed(urls), *urls):
        fresh = CategoryIndex.open(index.path)
        assert index.lookup(url_key(url)) == fresh.lookup(url_key(url)), url
        assert len(index._of_hosts) <= kept


HOSTS = (
    *("example.com", "www.example.com", "shop.example.com", "web2.play.example.org", "www.com"),
    *("example.org", "www2.example.net", "field.web.example.com", "banner.test", "example.edu"),
)
TARGETS = ("/", "/NEWS", "/news/login", "/a/b", "/banner/", "/news/login?id=1", "/a/?ID=1&b")


@pytest.mark.parametrize("lists", [LISTS, LOCAL, {"ut1": LISTS["ut1"]}])
def test_the_short_way_finds_what_the_long_one_does(index_of: IndexOf, lists: Lists) -> None:
    index = index_of(lists)
    for host in HOSTS:
        for target in TARGETS:
            key = url_key(f"http://{host}{target}")
            found = index.lookup_plain(host.split("."), target)
            assert found == index.lookup(key), (host, target)
