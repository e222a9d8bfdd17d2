"""Which names a self-test uses on an installed gateway: one that is refused, one that is not.

In: the settings and the category index of that gateway, the client's address. Out: names for the
placeholders of the table. Must never: choose a name by guessing what the policy says; choose as the
allowed one a name at which anybody would be reached.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.categorisation import CategoryIndex
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.policy.decide import decide
from proxy_addons.policy.model import REFUSALS, Action, Moment, Resource
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.policy.model import Decision
    from proxy_addons.settings.model import Endpoint, Settings

# Names that lead nowhere go first: where there is a hole, nobody is reached through it.
REFUSED = (
    *("malware.test", "phishing.test", "malware.invalid", "phishing.invalid"),
    *(
        "eicar.org",
        "www.hotmail.com",
        "mail.google.com",
        "www.pokerstars.com",
        "www.torproject.org",
    ),
)
ALLOWED = "watchhouse-selftest.invalid"  # never resolves (RFC 6761 6.4)
SPLICED = ("www.barclays.co.uk", "www.hsbc.co.uk", "www.nhs.uk", "www.samaritans.org")


class PlanError(Exception):
    """The self-test cannot be run; the text says what to do."""


class Plan:
    """Asks the policy of the installed gateway what it would say.

    Args:
        settings: of that gateway.
        client_ip: the address that requests will come from.

    Raises:
        CategoryIndexError: there is no usable index.
    """

    def __init__(self, settings: Settings, client_ip: str) -> None:
        self._policy = settings.policy
        self._about = settings.policy.about(client_ip, "")
        self._index = CategoryIndex.open(settings.paths.index_file)
        people = AddressMap(settings.identity.addresses, settings.policy.strictest_profile)
        self.person = people.person(client_ip)
        now = datetime.now(UTC).astimezone(settings.policy.time_zone)
        self._moment = Moment(now)

    def decision(self, host: str) -> Decision:
        """What the policy says of a host's first page."""
        key = url_key(f"https://{host}/")
        resource = Resource(key, self._index.lookup(key), "GET", self._about)
        return decide(self._policy, self.person, resource, self._moment)

    def refused(self, candidates: Iterable[str] = REFUSED) -> str:
        """A host that is refused with a page.

        Raises:
            PlanError: the policy refuses none of those that are known here.
        """
        for host in candidates:
            decision = self.decision(host)
            if decision.action is Action.BLOCK and decision.inspect:
                return host
        raise PlanError(
            "the policy refuses none of the hosts that the self-test knows: name one with"
            " --blocked-host"
        )

    def allowed(self) -> str:
        """A host that is allowed, and leads nowhere.

        Raises:
            PlanError: unknown hosts are refused, so that nothing could be told by it.
        """
        decision = self.decision(ALLOWED)
        if decision.action in REFUSALS:
            raise PlanError(
                f"for {self.person.name or 'this client'} (profile {decision.profile}) rule"
                f" {decision.rule} refuses every unknown host, so a refusal would show nothing:"
                " run it from a client that may do more, or name a host with --allowed-host"
            )
        return ALLOWED

    def spliced(self) -> str | None:
        """A host that is allowed and never decrypted, if any is known here."""
        for host in SPLICED:
            decision = self.decision(host)
            if decision.action not in REFUSALS and not decision.inspect:
                return host
        return None


def reachable(endpoint: Endpoint) -> str:
    """An address at which a listener is reached from its own machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)  # noqa: S104 - compared, not bound to
    return f"[{host}]:{endpoint.port}" if ":" in host else f"{host}:{endpoint.port}"
