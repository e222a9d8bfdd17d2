"""Whether a request waits until its person has acknowledged the acceptable-use statement.

In: a judged request, what its person has acknowledged, the settings. Out: yes or no.
Must never: let anything but what is open before it through for somebody who has not.

Clause: Inf/27 3.8. Open before are `personal_use.acknowledgement.open_categories` and `open_hosts`,
and sites that help people in distress, always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.gate.basis import Basis
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.gate.today import Today
    from proxy_addons.policy.model import Person
    from proxy_addons.settings.model import Settings
    from proxy_addons.urlkey import UrlKey

ALWAYS_OPEN = "self-help"
NO_STATEMENT = ""
"""The version of a statement that cannot be read: nobody has acknowledged it."""


def open_before(settings: Settings) -> tuple[frozenset[str], frozenset[str]]:
    """Categories (groups expanded, list aliases included) and hosts that are open before it."""
    policy, wanted = settings.policy, settings.shifts.acknowledgement
    named = {ALWAYS_OPEN, *wanted.open_categories}
    for group in wanted.open_categories:
        named |= policy.category_groups.get(group, frozenset())
    return policy.with_aliases(named), frozenset(wanted.open_hosts)


def waits(
    person: Person, judgement: Judgement, basis: Basis, today: Today, version: str, at: datetime
) -> bool:
    """Whether a request that the policy lets through, or coaches, waits for it.

    Args:
        person: whose it is.
        judgement: of it. All its names must be open before for it to pass before.
        basis: what decisions rest on.
        today: who has acknowledged what.
        version: of the statement in force.
        at: now, aware.
    """
    if not basis.settings.shifts.acknowledgement.required or person.name is None:
        return False
    if version != NO_STATEMENT and today.acknowledged(person.name, version, at):
        return False
    return not all(_is_open(key, basis, today) for key in judgement.keys)


def _is_open(key: UrlKey, basis: Basis, today: Today) -> bool:
    categories, hosts = basis.open_before
    host = key.host
    while host:
        if host in hosts:
            return True
        host = host.partition(".")[2]
    assert basis.index is not None
    found = today.site_categories(key.host)
    if found is None:
        found = basis.index.lookup(key)
    return not found.isdisjoint(categories)
