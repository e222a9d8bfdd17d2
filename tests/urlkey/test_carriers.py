"""Addresses inside addresses: every carrier of the program's table, nesting, and hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import re2
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.settings.carriers_file import read_carriers
from proxy_addons.settings.load import _OUR_CARRIERS
from proxy_addons.settings.problems import Report
from proxy_addons.settings.tree import read
from proxy_addons.urlkey import UrlKey, UrlKeyError, url_key
from proxy_addons.urlkey import carriers as module
from proxy_addons.urlkey.carriers import MAX_DEPTH, CarriedError, Carrier, Carriers

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/carriers.yaml").read_text())


def ours() -> Carriers:
    report = Report()
    root = read(_OUR_CARRIERS.read_bytes(), "carriers.yaml", report)
    assert root is not None
    made = read_carriers([root], report)
    report.raise_if_any()
    return made


TABLE = ours()


def test_every_carrier_of_the_table_is_read() -> None:
    assert {carrier.id for carrier in TABLE.all} == set(CASES)


@pytest.mark.parametrize(
    ("name", "url", "carried"),
    [(name, *case) for name, cases in CASES.items() for case in cases],
)
def test_what_an_address_carries(name: str, url: str, carried: str | list[str]) -> None:
    (carrier,) = (carrier for carrier in TABLE.all if carrier.id == name)
    for carriers in (Carriers([carrier]), TABLE):
        if carried == "unreadable":
            with pytest.raises(CarriedError):
                carriers.inside(url_key(url))
            continue
        wanted = [carried] if isinstance(carried, str) else carried
        assert [str(key) for key in carriers.inside(url_key(url))] == wanted


@pytest.mark.parametrize(
    "url",
    [
        "https://www.gov.uk/search?q=https://hotmail.com/&url=hotmail.com",
        "https://web.archive.org.example.com/web/2020/http://hotmail.com/",
        "https://xweb.archive.org/web/2020/http://hotmail.com/",
        "https://translate.goog.example.com/?u=http://hotmail.com/",
        "https://www.bbc.co.uk/news/browse",
        "http://192.0.2.1/",
    ],
)
def test_other_sites_carry_nothing(url: str) -> None:
    assert TABLE.inside(url_key(url)) == ()


def test_a_tunnel_to_a_translator_carries_the_host_of_its_name() -> None:
    (inner,) = TABLE.inside(UrlKey("", "www-hotmail-com.translate.goog", 443))
    assert inner.host == "www.hotmail.com"
    assert TABLE.inside(UrlKey("", "web.archive.org", 443)) == ()


def nested(depth: int) -> str:
    return "https://web.archive.org/web/2020/" * depth + "http://hotmail.com/"


def test_addresses_are_nested_up_to_a_depth() -> None:
    hosts = [key.host for key in TABLE.inside(url_key(nested(MAX_DEPTH)))]
    assert hosts == ["web.archive.org"] * (MAX_DEPTH - 1) + ["hotmail.com"]
    with pytest.raises(CarriedError, match="deep"):
        TABLE.inside(url_key(nested(MAX_DEPTH + 1)))


def test_carriers_of_different_kinds_are_nested() -> None:
    url = (
        "https://translate.google.com/translate?u=https%3A%2F%2Fweb.archive.org%2Fweb%2F2020%2F"
        "https%3A%2F%2Fwww-hotmail-com.translate.goog%2F"
    )
    hosts = [key.host for key in TABLE.inside(url_key(url))]
    assert hosts == ["web.archive.org", "www-hotmail-com.translate.goog", "www.hotmail.com"]


def test_an_address_that_carries_itself_ends() -> None:
    url = "https://www.translate.goog/"
    assert [key.host for key in TABLE.inside(url_key(url))] == ["www"]


@pytest.mark.parametrize("parameters", [17, 1001])
def test_too_many_addresses_in_one_are_refused(parameters: int) -> None:
    query = "&".join(f"u=a{number}.test" for number in range(parameters))
    with pytest.raises(CarriedError, match="more than"):
        TABLE.inside(url_key(f"https://translate.google.com/translate?{query}"))


def test_hosts_in_each_form() -> None:
    path = re2.compile("/(?P<url>.+)")
    forms = Carriers([Carrier("a", ("a.test", "*.b.test", "c.*"), path=path)])

    def carries(host: str) -> bool:
        return bool(forms.inside(url_key(f"http://{host}/in.test")))

    assert [
        carries(host) for host in ("a.test", "x.b.test", "y.x.b.test", "c.test", "c.co.uk")
    ] == [True] * 5
    assert not any(
        carries(host) for host in ("x.a.test", "b.test", "xb.test", "c", "cc.test", "x.c.test")
    )


def test_hosts_that_are_made_up_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HOSTS_KNOWN", 3)
    made = Carriers(TABLE.all)
    for number in range(9):
        assert made.inside(url_key(f"http://h{number}.test/")) == ()
        assert len(made._known) <= 3
    assert made.inside(url_key("https://web.archive.org/web/2020/http://hotmail.com/"))


PIECES = st.sampled_from(
    [case[0] for cases in CASES.values() for case in cases]
    + ["%", "%25", "%3A%2F%2F", "http:", "//", "?u=", "&url=", "\\", "[::1]", "@", "é", "=", "+"]
)


@given(st.lists(PIECES, min_size=1, max_size=4).map("".join))
def test_any_address_is_read_or_refused(url: str) -> None:
    try:
        key = url_key(url)
    except UrlKeyError:
        return
    try:
        found = TABLE.inside(key)
    except CarriedError:
        return
    for inner in found:
        assert url_key(str(inner)) == inner, "an inner address is a key like any other"
