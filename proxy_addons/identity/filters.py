"""LDAP search filters with values from outside in them (RFC 4515).

In: names and DNs. Out: filters. Must never: let a value become part of the filter's structure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# LDAP_MATCHING_RULE_IN_CHAIN of Active Directory ([MS-ADTS] 3.1.1.3.4.4.3): nested groups too.
IN_CHAIN = "1.2.840.113556.1.4.1941"
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._@,=")


def escaped(value: str) -> str:
    r"""A value as it may stand in a filter: every octet that is not plainly harmless as `\xx`.

    RFC 4515 3 asks for this of `*`, `(`, `)`, `\` and NUL and allows it for all. Escaping space too
    matters here: ldap3 strips it from the ends of values.
    """
    return "".join(chr(octet) if octet in _PLAIN else f"\\{octet:02x}" for octet in value.encode())


def person_filter(template: str, name: str) -> str:
    """`directory.person_filter` with the name in it."""
    return template.replace("{name}", escaped(name))


def everybody_filter(template: str) -> str:
    """`directory.person_filter` for whatever name."""
    return template.replace("{name}", "*")


def groups_filter(dns: Iterable[str]) -> str:
    """Finds the groups that have any of these as a direct member."""
    parts = [f"(member={escaped(dn)})" for dn in dns]
    return parts[0] if len(parts) == 1 else f"(|{''.join(parts)})"


def chain_filter(dn: str) -> str:
    """Finds the groups that have this as a member, directly or through others (AD alone)."""
    return f"(member:{IN_CHAIN}:={escaped(dn)})"


def team_filter(name_attribute: str, manager_attribute: str, manager_dn: str) -> str:
    """Finds the people whose line manager this is."""
    return f"(&({name_attribute}=*)({manager_attribute}={escaped(manager_dn)}))"
