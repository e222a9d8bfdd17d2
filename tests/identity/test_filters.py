from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.identity.filters import (
    chain_filter,
    escaped,
    groups_filter,
    person_filter,
    team_filter,
)
from proxy_addons.identity.link import ldap3

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def compiled(query: str):
    """The filter as it goes out (RFC 4511 4.5.1.7)."""
    search = ldap3.operation.search
    return search.compile_filter(
        search.parse_filter(
            query,
            schema=None,
            auto_escape=False,
            auto_encode=True,
            validator=None,
            check_names=False,
        ).elements[0]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("jane", "jane"),
        ("*", r"\2a"),
        (r"a*(b)\c", r"a\2a\28b\29\5cc"),
        ("nul\0", r"nul\00"),
        (" ends ", r"\20ends\20"),
        ("zoë", r"zo\c3\ab"),
        ("CN=O\\, B,DC=x", r"CN=O\5c,\20B,DC=x"),
    ],
)
def test_what_means_something_in_a_filter_is_escaped(value: str, text: str):
    assert escaped(value) == text


@given(NAMES)
def test_a_name_is_compared_as_it_is_whatever_it_holds(name: str):
    sent = compiled(person_filter("(&(objectClass=person)(uid={name}))", name))["and"]
    assert len(sent) == 2
    assert bytes(sent[0]["equalityMatch"]["assertionValue"]) == b"person"
    assert str(sent[1]["equalityMatch"]["attributeDesc"]) == "uid"
    assert bytes(sent[1]["equalityMatch"]["assertionValue"]) == name.encode()


@given(NAMES)
def test_the_question_for_nested_groups_of_active_directory(dn: str):
    """As data: no Active Directory was asked."""
    sent = compiled(chain_filter(dn))["extensibleMatch"]
    assert str(sent["matchingRule"]) == "1.2.840.113556.1.4.1941"
    assert str(sent["type"]) == "member"
    assert bytes(sent["matchValue"]) == dn.encode()
    assert not sent["dnAttributes"]


def test_one_group_is_asked_for_plainly_and_several_together():
    one = compiled(groups_filter(["cn=a(b)"]))["equalityMatch"]
    assert (str(one["attributeDesc"]), bytes(one["assertionValue"])) == ("member", b"cn=a(b)")
    several = compiled(groups_filter(["cn=a", "cn=b", "cn=c"]))["or"]
    values = [bytes(each["equalityMatch"]["assertionValue"]) for each in several]
    assert values == [b"cn=a", b"cn=b", b"cn=c"]


def test_a_team_is_people_with_a_login_name_and_that_manager():
    present, manager = compiled(team_filter("uid", "manager", "cn=*"))["and"]
    assert str(present["present"]) == "uid"
    assert bytes(manager["equalityMatch"]["assertionValue"]) == b"cn=*"
