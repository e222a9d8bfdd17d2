"""What decisions rest on: settings, policy, people, addresses, category index.

In: settings and an index. Out: a frozen `Basis`.
Must never: be changed in place. A new one replaces it as a whole, between two decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.gate.acknowledging import open_before
from proxy_addons.gate.destinations import Destinations
from proxy_addons.gate.people import GroupProfiles
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.policy.cache import Decider

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.settings.model import Endpoint, Settings


@dataclass(frozen=True, slots=True)
class Basis:
    """What decisions rest on; replaced as a whole, so that no decision mixes two versions.

    Attributes:
        settings: with the compiled policy.
        decider: that policy, with its memory.
        people: who uses which client address.
        groups: which groups have which profile.
        destinations: the address check.
        index: category index, or None while there is none (then everything is refused).
        open_before: categories and hosts that are open to people who have not yet acknowledged the
            statement (acknowledging.py).
    """

    settings: Settings
    decider: Decider
    people: AddressMap
    groups: GroupProfiles
    destinations: Destinations
    index: CategoryIndex | None
    open_before: tuple[frozenset[str], frozenset[str]]


def basis_of(
    settings: Settings, index: CategoryIndex | None, own: Iterable[Endpoint] = ()
) -> Basis:
    """The basis for decisions.

    Args:
        settings: with the compiled policy.
        index: category index, or None.
        own: addresses this gateway listens on, where they differ from the settings' (port 0).
    """
    network, identity, policy = settings.network, settings.identity, settings.policy
    listen = settings.listen
    return Basis(
        settings=settings,
        decider=Decider(policy),
        people=AddressMap(identity.addresses, policy.strictest_profile),
        groups=GroupProfiles(
            identity.profiles, identity.default_profile or policy.strictest_profile
        ),
        destinations=Destinations(
            network.deny_destinations,
            network.intranet_networks,
            (*listen.proxy, *listen.proxy_tls, *listen.portal, *listen.portal_tls, *own),
        ),
        index=index,
        open_before=open_before(settings),
    )
