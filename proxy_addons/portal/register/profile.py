"""Which profile somebody has, for their own pages: by the same functions as the gateway.

In: a person whom the portal knows, what stands, the settings. Out: lines for the page.
Must never: work a profile out by other means than gate/people.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.gate.people import GroupProfiles, person_of
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.policy.model import Person
    from proxy_addons.portal.signin.people import Someone
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing.snapshot import Snapshot


def profiles_of(
    settings: Settings, someone: Someone, snapshot: Snapshot, now: datetime
) -> list[tuple[str, str]]:
    """Where the gateway knows this person, and which profile they have there, in words.

    Args:
        settings: `identity` and the policy.
        someone: the person.
        snapshot: exemptions and withdrawals.
        now: aware.
    """
    profiles = settings.policy.profiles
    return [
        (where, profiles.get(person.profile) or person.profile)
        for where, person in people_of(settings, someone, snapshot, now)
    ]


def people_of(
    settings: Settings, someone: Someone, snapshot: Snapshot, now: datetime
) -> list[tuple[str, Person]]:
    """Where the gateway knows this person, and as whom the policy sees them there.

    Args:
        settings: `identity` and the policy.
        someone: the person.
        snapshot: exemptions and withdrawals.
        now: aware.

    Returns:
        Place in words, and the person without states; empty where the gateway knows them nowhere.
    """
    identity, policy = settings.identity, settings.policy
    ways: list[tuple[str, str, str]] = []
    if identity.challenges:
        profile = policy.strictest_profile
        if not settings.directory.servers or someone.entry is not None:
            groups = someone.entry.groups if someone.entry else frozenset()
            default = identity.default_profile or policy.strictest_profile
            profile = GroupProfiles(identity.profiles, default).of(groups)
        ways.append(("Signed in to the web gateway", "kerberos", profile))
    if "addresses" in identity.order:
        ways += [
            (f"At {each.network}", "address", each.profile)
            for each in identity.addresses
            if canonical_name(each.person) == someone.name
        ]
    found = []
    for where, how, profile in ways:
        person = person_of(
            someone.name,
            how,
            profile,
            policy=policy,
            snapshot=snapshot,
            age=0.0,
            stale=settings.standing.stale,
            now=now.timestamp(),
        ).person
        found.append((where, person))
    return found
