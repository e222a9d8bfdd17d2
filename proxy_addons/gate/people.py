"""Who a visitor is at this moment: what is proven, what their groups and standing facts give.

In: a visitor with a proof, or the address of their client; the directory's cached answers; the
exemptions and withdrawals in force; their duty day (today.py). Out: a `Person` on the visitor, and
until when it holds.
Must never: wait, or ask anything over the network; give an exempt profile without a live exemption;
let anything at all count for somebody whose access is withdrawn.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from proxy_addons.gate.today import NOTHING_TODAY
from proxy_addons.identity.addresses import UNIDENTIFIED
from proxy_addons.policy.model import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from proxy_addons.gate.basis import Basis
    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.today import Today
    from proxy_addons.identity.proof import Proof
    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.people import GroupProfile

FOR_EVER = math.inf
_AGAIN = 1.0  # seconds after which a person whose exemption cannot be confirmed is looked at again


class Exemption(Protocol):
    """A live exemption, as standing/ has it."""

    @property
    def reference(self) -> str:
        """Its reference number."""

    @property
    def everything(self) -> bool:
        """Whether it is for all that the policy restricts, not for `categories` alone."""

    @property
    def categories(self) -> frozenset[str]:
        """What it names."""


class Snapshot(Protocol):
    """What stands at present: withdrawals and exemptions."""

    @property
    def withdrawn(self) -> Mapping[str, str]:
        """Canonical name → reference of the withdrawal."""

    def exemption(self, name: str, at: datetime) -> Exemption | None:
        """The live exemption of a person, or None."""

    def changes(self, name: str, at: datetime) -> datetime | None:
        """When the clock alone next changes the answer of `exemption`, or None."""


class Standing(Protocol):
    """Where the snapshot comes from."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The latest; None until one was ever read."""

    def age(self) -> float:
        """Seconds since the store was last asked with success."""

    def note_use(self, reference: str) -> None:
        """Somebody got through by this exemption."""


class Entry(Protocol):
    """What the directory says of a person."""

    @property
    def groups(self) -> Collection[str]:
        """Common names of groups, case folded, nested ones included."""


class Found(Protocol):
    """A cached answer of the directory."""

    @property
    def entry(self) -> Entry | None:
        """None: it knows no such person."""

    @property
    def fresh(self) -> bool:
        """Whether it need not be asked anew."""


class Directory(Protocol):
    """The directory's memory, and the way to it."""

    def cached(self, name: str) -> Found | None:
        """What is known without asking; None: nothing that still counts."""

    async def look_up(self, name: str) -> Found:
        """Asks where that is needed."""


class _Nothing:
    """Standing facts of a program that has no store: nobody is exempt, nobody withdrawn."""

    @property
    def snapshot(self) -> Snapshot:
        return self

    @property
    def withdrawn(self) -> Mapping[str, str]:
        return {}

    def age(self) -> float:
        return 0.0

    def note_use(self, _reference: str) -> None:
        """Nobody has one."""

    def exemption(self, _name: str, _at: datetime) -> Exemption | None:
        return None

    def changes(self, _name: str, _at: datetime) -> datetime | None:
        return None


class _Unread(_Nothing):
    """Standing facts that nobody has read yet: the gate lets nothing through."""

    @property
    def snapshot(self) -> None:  # type: ignore[override]
        return None


NOBODY = Person(None, UNIDENTIFIED, "")
"""Of a visitor who has not been looked up: a profile that no policy knows."""
NOTHING_READ: Standing = _Unread()
"""Until the store was read: everything is refused."""
NOTHING_STANDING: Standing = _Nothing()
"""For programs that only decide, without a store: benchmarks and tests. Not for a worker."""


class GroupProfiles:
    """Profiles by group; the first entry whose groups a person is all in counts.

    Args:
        entries: `identity.profiles`, in order.
        otherwise: the profile of people who are in none of these.
    """

    __slots__ = ("_entries", "_otherwise")

    def __init__(self, entries: Collection[GroupProfile], otherwise: str) -> None:
        self._entries = [
            (frozenset(group.casefold() for group in entry.groups), entry.profile)
            for entry in entries
        ]
        self._otherwise = otherwise

    def of(self, groups: Collection[str]) -> str:
        """The profile of somebody in these groups (case folded)."""
        having = frozenset(groups)
        for wanted, profile in self._entries:
            if wanted <= having:
                return profile
        return self._otherwise


class Held(NamedTuple):
    """A person, and for how long.

    Attributes:
        person: who it is.
        until: wall-clock seconds at which it has to be looked at anew.
    """

    person: Person
    until: float


def person_of(  # noqa: PLR0913 - each is a fact of its own
    name: str,
    how: str,
    profile: str,
    *,
    policy: Policy,
    snapshot: Snapshot | None,
    age: float,
    stale: float,
    now: float,
) -> Held:
    """What stands for a person whose name is known.

    Args:
        name: canonical.
        how: how it is known.
        profile: by address or by groups.
        policy: in force; a profile that it does not know counts as the strictest.
        snapshot: of exemptions and withdrawals; None: nothing stands (the gate refuses by itself).
        age: seconds since that was last confirmed.
        stale: seconds for which it counts unconfirmed; withdrawals count for ever.
        now: wall-clock seconds.
    """
    if profile not in policy.profiles:
        profile = policy.strictest_profile
    if snapshot is None:
        return Held(Person(name, how, _without(policy, profile)), now + _AGAIN)
    if name in snapshot.withdrawn:
        return Held(Person(name, how, _without(policy, policy.strictest_profile)), FOR_EVER)
    at = datetime.fromtimestamp(now, UTC)
    exemption = snapshot.exemption(name, at)
    changes = snapshot.changes(name, at)
    until = FOR_EVER if changes is None else changes.timestamp()
    if exemption is not None and age > stale:
        # It may have been revoked meanwhile, and nobody could tell us.
        exemption, until = None, min(until, now + _AGAIN)
    if exemption is None:
        return Held(Person(name, how, _without(policy, profile)), until)
    until = min(until, now + max(stale - age, 0.0) + _AGAIN)
    if exemption.everything and policy.otherwise:
        profile = profile if profile in policy.otherwise else next(iter(policy.otherwise))
    else:
        profile = _without(policy, profile)
    named = set(exemption.categories)
    for group in exemption.categories & policy.category_groups.keys():
        named |= policy.category_groups[group]
    opened = policy.with_aliases(named)
    return Held(Person(name, how, profile, None, exemption.reference, opened), until)


def _without(policy: Policy, profile: str) -> str:
    """The profile of somebody who has no live exemption."""
    profile = policy.otherwise.get(profile, profile)
    return policy.strictest_profile if profile in policy.otherwise else profile


class People:
    """Who the visitors of a worker are.

    Args:
        basis: gives the basis in force.
        clock: wall-clock seconds.
        standing: exemptions and withdrawals.

    Attributes:
        standing: as the argument; the worker may replace it.
        directory: knows people's groups; None where there is none, and everybody who is proven has
            the default profile.
        today: people's breaks, minutes and duties; the worker replaces it.
    """

    def __init__(
        self, basis: Callable[[], Basis], clock: Callable[[], float], standing: Standing
    ) -> None:
        self._basis = basis
        self._clock = clock
        self.standing = standing
        self.directory: Directory | None = None
        self.today: Today = NOTHING_TODAY

    @property
    def stands(self) -> bool:
        """Whether it is known what stands. If not, nothing may be let through."""
        return self.standing.snapshot is not None

    def know_again(self, visitor: Visitor) -> Basis:
        """Look a visitor up anew where anything has changed. Gives the basis in force.

        Runs for every request, so it compares four things only; what the directory has learnt is
        noticed by `look`, once a second.
        """
        basis = self._basis()
        if (
            visitor.basis is not basis
            or visitor.snapshot is not self.standing.snapshot
            or self._clock() >= visitor.until
            or (visitor.latest != self.today.latest.number and self._is_about(visitor))
        ):
            self.know(visitor)
        return basis

    def _is_about(self, visitor: Visitor) -> bool:
        """Whether anything of what has come about people's days is about this visitor."""
        today, name = self.today, visitor.person.name
        if name is not None and visitor.stamp != today.stamp(name):
            return True
        visitor.latest = today.latest.number
        return False

    def look(self, visitor: Visitor) -> None:
        """The same, and with what the directory may have learnt."""
        proof = visitor.proof
        if proof is not None and self.directory is not None:
            found = self.directory.cached(proof.name)
            if (found.entry if found else None) != visitor.entry:
                self.know(visitor)
                return
        self.know_again(visitor)

    def know(self, visitor: Visitor) -> None:
        """Look a visitor up."""
        if visitor.open and visitor.before is None:
            # A request that comes before the next look at what is open must not hide the change.
            visitor.before = visitor.person
        basis = visitor.basis = self._basis()
        snapshot = visitor.snapshot = self.standing.snapshot
        settings = basis.settings
        policy, now = settings.policy, self._clock()
        proof = visitor.proof
        if proof is not None and now >= visitor.proof_ends:
            proof = visitor.proof = None
            visitor.lapsed = True
        visitor.entry = None
        if proof is not None:
            name, how, profile = proof.name, proof.how, self._profile(basis, visitor, proof)
            until = visitor.proof_ends
        else:
            known = self.by_address(visitor)
            if known is None:
                self._hold(visitor, Held(self.nobody(basis), FOR_EVER), now)
                return
            assert known.name is not None
            name, how, profile, until = known.name, known.how, known.profile, FOR_EVER
        held = person_of(
            name, how, profile, policy=policy, snapshot=snapshot, age=self.standing.age(),
            stale=settings.standing.stale, now=now,
        )  # fmt: skip
        self._hold(visitor, Held(held.person, min(held.until, until)), now)

    def _hold(self, visitor: Visitor, held: Held, now: float) -> None:
        """Give a visitor their person, with what stands for it in this duty day."""
        today, name, at = self.today, held.person.name, datetime.fromtimestamp(now, UTC)
        visitor.until = held.until
        visitor.latest = today.latest.number
        if name is not None:
            visitor.stamp = today.stamp(name)
            changes = today.changes(name, at)
            if changes is not None:
                visitor.until = min(held.until, changes.timestamp())
        visitor.person = replace(
            held.person, states=today.states(name, at), groups=self._groups(visitor)
        )

    def _groups(self, visitor: Visitor) -> frozenset[str] | None:
        """The person's groups that rules name; None where they are not known."""
        named = self._basis().settings.policy.groups
        entry = cast("Entry | None", visitor.entry)
        return None if not named or entry is None else named.intersection(entry.groups)

    def by_address(self, visitor: Visitor) -> Person | None:
        """Who uses the visitor's address, as the settings say; None where they do not.

        A sign-in that has ended does not turn into that: the next request has to be asked first.
        """
        basis = self._basis()
        if "addresses" not in basis.settings.identity.order or visitor.lapsed:
            return None
        if visitor.shared and visitor.client_ip == visitor.counted_as:
            return None  # the load balancer, which has not said for whom it speaks
        person = basis.people.person(visitor.client_ip)
        return None if person.name is None else person

    @staticmethod
    def nobody(basis: Basis, claimed: str | None = None) -> Person:
        """Somebody of whom nothing is known but perhaps a claim."""
        policy = basis.settings.policy
        return Person(None, UNIDENTIFIED, _without(policy, policy.strictest_profile), claimed)

    def _profile(self, basis: Basis, visitor: Visitor, proof: Proof) -> str:
        """The profile that a proven person's groups give."""
        if self.directory is None:
            return basis.groups.of(())
        found = self.directory.cached(proof.name)
        visitor.entry = found.entry if found else None
        if visitor.entry is None:
            # Nobody of that name, or nobody to ask: the name is proven, nothing else is.
            return basis.settings.policy.strictest_profile
        return basis.groups.of(visitor.entry.groups)
