"""Tokens: their text, who may make one for what, how often they may ask."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from support.authority import ACU, AUDITOR, KIM, NOW, PAT, SAM, World, wanted

from proxy_addons.portal.api import secret
from proxy_addons.portal.api.limits import Limits
from proxy_addons.portal.api.tokens import LONGEST, MOST, NETWORKS, Tokens, networks_of
from proxy_addons.standing import Actor, StepRefusedError
from proxy_addons.standing.tables_api import api_tokens

if TYPE_CHECKING:
    from proxy_addons.portal.api.tokens import Token
    from proxy_addons.standing import Store

# --- the text -------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.integers(0, 51), st.characters())
def test_a_token_is_known_by_its_form_and_any_slip_is_seen(
    octets: bytes, place: int, other: str
) -> None:
    text = secret.token_of(octets)
    assert re.fullmatch(r"wh_[0-9A-Za-z]{49}", text)
    assert secret.has_form(text)
    changed = text[:place] + other + text[place + 1 :]
    assert changed == text or not secret.has_form(changed)


@given(st.sets(st.binary(min_size=32, max_size=32), min_size=2, max_size=20))
def test_no_two_are_alike(several: set[bytes]) -> None:
    assert len({secret.token_of(each) for each in several}) == len(several)
    assert len({secret.digest(secret.token_of(each)) for each in several}) == len(several)


# --- who may make one -----------------------------------------------------------------------------


class Maker:
    def __init__(self, store: Store) -> None:
        self.world = World(store)
        self.authorisation = self.world.approved()
        self.tokens = Tokens(store, lambda: self.world.now)

    def make(self, actor: Actor = SAM, role: str = "psd", **more: Any) -> tuple[str, Token]:
        given = {"label": "case tool", "ends": self.world.now + timedelta(days=7)} | more
        if role == "psd":
            given.setdefault("authorisation", self.authorisation.reference)
        return self.tokens.make(actor, role, register=self.world.register, **given)


@pytest.fixture
def maker(store: Store) -> Maker:
    return Maker(store)


def test_what_is_kept_of_a_token(maker: Maker, store: Store) -> None:
    text, token = maker.make(networks=(ip_network("10.0.0.0/8"),))
    with store.looking() as connection:
        (row,) = connection.execute(select(api_tokens)).mappings().all()
    assert text not in repr(dict(row))
    assert text[3:] not in repr(token)
    assert row["digest"] == secret.digest(text)
    assert maker.tokens.find(text) == token == maker.tokens.again(token.reference)
    assert (token.reference, token.person) == ("TK-2026-0001", "sam")


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("role", {"role": "auditor"}),
    ("role", {"role": "operator"}),
    ("role", {"actor": AUDITOR}),
    ("right", {"actor": KIM}),
    ("right", {"actor": ACU, "role": "psd"}),
    ("right", {"authorisation": "AU-2026-9999"}),
    ("right", {"authorisation": None}),
    ("right", {"actor": AUDITOR, "role": "auditor", "authorisation": "AU-2026-0001"}),
    ("ends", {"ends": NOW}),
    ("ends", {"ends": NOW - timedelta(seconds=1)}),
    ("ends", {"ends": NOW + LONGEST + timedelta(seconds=1)}),
    ("ends", {"ends": NOW + timedelta(days=28, seconds=1)}),
    ("label", {"label": ""}),
    ("label", {"label": "x" * 81}),
    ("label", {"label": "a\u202eb"}),
    ("networks", {"networks": (ip_network("10.0.0.0/8"),) * (NETWORKS + 1)}),
]


def test_what_is_refused(maker: Maker, store: Store) -> None:
    for rule, given_ in REFUSED:
        with pytest.raises(StepRefusedError) as found:
            maker.make(**given_)
        assert found.value.rule in {rule, "role"}, given_
    with store.looking() as connection:
        assert connection.execute(select(api_tokens)).all() == []


def test_up_to_the_end_of_its_authorisation(maker: Maker) -> None:
    ends = maker.authorisation.valid_until
    text, token = maker.make(ends=ends)
    maker.world.now = ends - timedelta(microseconds=1)
    assert maker.tokens.find(text) == token
    maker.world.now = ends
    assert maker.tokens.find(text) is None


def test_an_authorisation_that_is_not_approved(maker: Maker) -> None:
    asked = maker.world.applied(wanted())
    with pytest.raises(StepRefusedError, match="no authorisation"):
        maker.make(authorisation=asked.reference, actor=PAT)


def test_revoked_by_its_owner_alone_and_for_good(maker: Maker) -> None:
    text, token = maker.make()
    with pytest.raises(StepRefusedError):
        maker.tokens.revoke("pat", token.reference)
    assert maker.tokens.find(text) is not None
    maker.tokens.revoke("sam", token.reference)
    first = maker.tokens.of("sam")[0].revoked_at
    maker.world.now += timedelta(hours=1)
    maker.tokens.revoke("sam", token.reference)
    assert (maker.tokens.of("sam")[0].revoked_at, first) == (NOW, NOW)
    assert maker.tokens.find(text) is None
    assert maker.tokens.again(token.reference) is None


def test_at_most_so_many_at_a_time(maker: Maker) -> None:
    made = [maker.make()[1] for _ in range(MOST)]
    with pytest.raises(StepRefusedError, match="revoke one"):
        maker.make()
    maker.make(PAT)
    maker.tokens.revoke("sam", made[0].reference)
    maker.make()


def test_the_table_itself_keeps_the_right(maker: Maker, store: Store) -> None:
    maker.make()
    with store.looking() as connection:
        (row,) = connection.execute(select(api_tokens)).mappings().all()
    wrong = [{"authorisation": None}, {"role": "auditor"}, {"role": "operator"}, {"ends": NOW}]
    for each in wrong:
        values = dict(row) | {"id": 9, "reference": "TK-9", "digest": "9"} | each
        with pytest.raises(IntegrityError), store.noting() as connection:
            connection.execute(insert(api_tokens).values(**values))


# --- from where -----------------------------------------------------------------------------------


def test_networks(maker: Maker) -> None:
    _, token = maker.make()
    found = dataclasses.replace(token, networks=networks_of("10.1.2.0/24, 2001:db8::/48 192.0.2.7"))
    inside = ("10.1.2.0", "10.1.2.255", "2001:db8:0:ffff::1", "192.0.2.7")
    outside = ("10.1.3.0", "2001:db8:1::1", "192.0.2.8")
    assert all(found.is_for(ip_address(each)) for each in inside)
    assert not any(found.is_for(ip_address(each)) for each in outside)
    assert not found.is_for(None)
    assert token.is_for(None)
    for wrong in ("10.1.2.3/24", "nothing", "10.0.0.0/33"):
        with pytest.raises(ValueError, match="no network"):
            networks_of(wrong)


# --- how often ------------------------------------------------------------------------------------


@given(
    st.integers(1, 10),
    st.integers(1, 60),
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 20)), max_size=60),
)
def test_never_more_than_the_bucket_and_what_flows_in(
    calls: int, seconds: int, asked: list[tuple[str, float]]
) -> None:
    now = 0.0
    limits = Limits(calls, float(seconds), lambda: now)
    granted: dict[str, list[float]] = {"a": [], "b": []}
    for who, wait in asked:
        now += wait
        grant = limits.take(who)
        if grant.granted:
            granted[who].append(now)
            assert 0 <= grant.left < calls
        else:
            assert grant.wait >= 1
    for times in granted.values():
        for place, since in enumerate(times):
            for number, at in enumerate(times[place:], 1):
                assert number <= calls + (at - since) * calls / seconds + 1e-3


def test_whoever_waits_as_told_is_granted() -> None:
    now = 0.0
    limits = Limits(3, 60.0, lambda: now)
    assert [limits.take("a").left for _ in range(3)] == [2, 1, 0]
    refused = limits.take("a")
    assert (refused.granted, refused.wait) == (False, 20)
    told = limits.headers(refused)
    assert told == {
        "RateLimit-Policy": '"token";q=3;w=60',
        "RateLimit": '"token";r=0;t=20',
        "Retry-After": "20",
    }
    now = 19.9
    assert not limits.take("a").granted
    now = 20.0
    assert limits.take("a").granted
    assert limits.take("b").left == 2
