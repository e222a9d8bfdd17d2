"""The tokens: who made one, for which right, until when, and whether it holds.

In: an actor and a right; what a client sent. Out: a token's text, once; a `Token`.
Must never: keep a token's text; give one a right that its owner does not have then, or for longer
than the authorisation holds; forget one that was used.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from proxy_addons.audit.authority.compiled import OUTSIDE, looks_by
from proxy_addons.portal.api import secret
from proxy_addons.portal.signin.roles import AUDITOR, PSD
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError
from proxy_addons.standing.tables_api import LABEL, api_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address, IPv6Address

    from sqlalchemy import ColumnElement, RowMapping

    from proxy_addons.audit.authority.register import Authorisations
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

type Network = IPv4Network | IPv6Network

ROLES: Final = (PSD, AUDITOR)
"""Roles that a token can have."""
LONGEST: Final = timedelta(days=90)
"""A token ends after this at the latest."""
MOST: Final = 20
"""Tokens of one person that hold at a time."""
NETWORKS: Final = 20
"""Networks that one token can be bound to."""
_KIND: Final = "TK"
_USED_EVERY: Final = timedelta(seconds=30)
"""How closely the last use is kept; spares the store a write for each call."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, without its text.

    Attributes:
        reference: `TK-2026-0001`; the trail names it.
        label: what it is for, by its owner.
        person: canonical login name of its owner.
        role: `psd` or `auditor`.
        authorisation: reference; None for an auditor's.
        networks: that it can be used from; none: from anywhere.
        made_at: aware UTC.
        ends: first moment at which it does not hold.
        revoked_at: None: it was not.
        used_at: the last use, to half a minute; None: it was not used.
    """

    reference: str
    label: str
    person: str
    role: str
    authorisation: str | None
    networks: tuple[Network, ...]
    made_at: datetime
    ends: datetime
    revoked_at: datetime | None
    used_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it was neither revoked nor is over; its owner's rights are asked elsewhere."""
        return self.revoked_at is None and now < self.ends

    def is_for(self, address: IPv4Address | IPv6Address | None) -> bool:
        """Whether it can be used from an address."""
        return not self.networks or (
            address is not None and any(address in each for each in self.networks)
        )


class Tokens:
    """The tokens of a store.

    Args:
        store: the standing store.
        now: the time, aware.
        entropy: gives secret octets.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._now = now
        self._entropy = entropy

    def make(
        self,
        actor: Actor,
        role: str,
        *,
        label: str,
        ends: datetime,
        authorisation: str | None = None,
        networks: tuple[Network, ...] = (),
        register: Authorisations,
    ) -> tuple[str, Token]:
        """Make a token for somebody who has just proven who they are.

        Args:
            actor: its owner.
            role: that it has.
            label: what it is for.
            ends: first moment at which it does not hold, aware.
            authorisation: that it reads records by.
            networks: that it can be used from; none: from anywhere.
            register: of authorisations.

        Returns:
            Its text, which is kept nowhere, and the token.

        Raises:
            StepRefusedError: a rule; there is no token.
            StandingUnavailableError: nothing was made, or nobody knows the one that was.
        """
        now = self._now()
        label = _label(label)
        if role not in ROLES or role not in actor.roles:
            raise StepRefusedError("role", "You do not have the role that the token is to have.")
        if (role == PSD) != (authorisation is not None):
            raise StepRefusedError(
                "right", "Records are read by one authorisation; an auditor's token has none."
            )
        if not now < ends <= now + LONGEST:
            raise StepRefusedError("ends", f"A token holds for {LONGEST.days} days at most.")
        if authorisation is not None:
            found = register.looked_by(actor, authorisation)
            if found is None or not looks_by(actor, found) or not found.holds(now):
                raise StepRefusedError("right", OUTSIDE)
            if ends > found.valid_until:
                raise StepRefusedError("ends", f"{found.reference} ends before that.")
        if len(networks) > NETWORKS:
            raise StepRefusedError("networks", f"At most {NETWORKS} networks.")
        text = secret.token_of(self._entropy(secret.OCTETS))
        with self._store.changing() as connection:
            mine = connection.execute(
                select(api_tokens.c.id).where(
                    api_tokens.c.person == actor.name,
                    api_tokens.c.revoked_at.is_(None),
                    api_tokens.c.ends > now,
                )
            ).all()
            if len(mine) >= MOST:
                raise StepRefusedError("many", f"You have {MOST} tokens; revoke one first.")
            reference = next_reference(connection, _KIND, now.year)
            values: dict[str, Any] = {
                "reference": reference,
                "label": label,
                "person": actor.name,
                "role": role,
                "authorisation": authorisation,
                "networks": [str(each) for each in networks],
                "made_at": now,
                "ends": ends,
            }
            more = {"digest": secret.digest(text), "made_how": actor.how}
            connection.execute(insert(api_tokens).values(**values, **more))
        return text, Token(**values | {"networks": networks, "revoked_at": None, "used_at": None})

    def find(self, text: str) -> Token | None:
        """The token of a text, if it holds; None for every other reason alike.

        Raises:
            StandingUnavailableError: it is not known.
        """
        if not secret.has_form(text):
            return None
        return self._held(api_tokens.c.digest == secret.digest(text))

    def again(self, reference: str) -> Token | None:
        """A token that was found before, if it still holds; as for `find`."""
        return self._held(api_tokens.c.reference == reference)

    def _held(self, which: ColumnElement[bool]) -> Token | None:
        with self._store.looking() as connection:
            row = connection.execute(select(api_tokens).where(which)).mappings().first()
        found = None if row is None else _token(row)
        return found if found is not None and found.holds(self._now()) else None

    def used(self, token: Token) -> None:
        """Note that it was used just now.

        Raises:
            StandingUnavailableError: it may not be noted.
        """
        now = self._now()
        if token.used_at is not None and timedelta(0) <= now - token.used_at < _USED_EVERY:
            return
        mine = api_tokens.c.reference == token.reference
        with self._store.noting() as connection:
            connection.execute(update(api_tokens).where(mine).values(used_at=now))

    def of(self, person: str) -> tuple[Token, ...]:
        """All tokens of somebody, the newest first.

        Raises:
            StandingUnavailableError: they are not known.
        """
        question = select(api_tokens).where(api_tokens.c.person == person)
        with self._store.looking() as connection:
            rows = connection.execute(question.order_by(api_tokens.c.id.desc())).mappings().all()
        return tuple(map(_token, rows))

    def revoke(self, person: str, reference: str) -> None:
        """End a token of somebody's own. One that was revoked before stays so.

        Raises:
            UnknownReferenceError: they have no such token.
            StandingUnavailableError: it may go on.
        """
        columns = api_tokens.c
        mine = (columns.person == person) & (columns.reference == reference)
        with self._store.noting() as connection:
            if connection.execute(select(columns.id).where(mine)).first() is None:
                raise UnknownReferenceError(reference)
            connection.execute(
                update(api_tokens)
                .where(mine, columns.revoked_at.is_(None))
                .values(revoked_at=self._now())
            )


def networks_of(text: str) -> tuple[Network, ...]:
    """Networks as somebody types them, set apart by spaces or commas.

    Raises:
        ValueError: one is none; the text names it.
    """
    found = []
    for each in text.replace(",", " ").split():
        try:
            found.append(ip_network(each))
        except ValueError:
            msg = f"{each[:50]} is no network such as 10.1.2.0/24 or 2001:db8::/48"
            raise ValueError(msg) from None
    return tuple(found)


def _label(text: str) -> str:
    label = " ".join(text.split())
    if not label or len(label) > LABEL or not label.isprintable():
        raise StepRefusedError("label", f"Say what it is for, in at most {LABEL} characters.")
    return label


def _token(row: RowMapping) -> Token:
    return Token(
        row["reference"],
        row["label"],
        row["person"],
        row["role"],
        row["authorisation"],
        tuple(ip_network(each) for each in row["networks"]),
        row["made_at"],
        row["ends"],
        row["revoked_at"],
        row["used_at"],
    )
