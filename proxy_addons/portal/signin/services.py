"""What the pages for signed-in people need, opened once: store, directory, ways to sign in.

In: settings. Out: `Services`, or None where nobody can sign in.
Must never: start with a way to sign in that is configured but cannot work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from proxy_addons.audit.alerts.register import Alerts
from proxy_addons.audit.authority.deputies import Deputies
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.audit.retention.holds import Holds
from proxy_addons.audit.sampling.drafting import Drafting
from proxy_addons.audit.sampling.hooks import NoViews
from proxy_addons.audit.sampling.register import Sampling
from proxy_addons.audit.sampling.reviewing import Reviewing
from proxy_addons.audit.savedsearches import SavedSearches
from proxy_addons.identity.directory import Directory
from proxy_addons.identity.kerberos import Acceptor
from proxy_addons.identity.passwords import PasswordFile
from proxy_addons.portal.register.catalogue import Catalogue
from proxy_addons.portal.signin.drafts import Drafts
from proxy_addons.portal.signin.oidc import Provider
from proxy_addons.portal.signin.people import People
from proxy_addons.portal.threads import Threads
from proxy_addons.standing.lockouts import Lockouts
from proxy_addons.standing.register import Register
from proxy_addons.standing.reviews import Reviews
from proxy_addons.standing.sessions import Session, Sessions
from proxy_addons.standing.store import Store, open_store
from proxy_addons.standing.withdrawals import Withdrawals

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.portal.answers import Answers
    from proxy_addons.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything, opened.

    Attributes:
        settings: of this gateway.
        answers: makes pages.
        clock: seconds since the epoch.
        threads: for what blocks.
        store: the standing store.
        sessions: the portal's.
        lockouts: the portal's.
        withdrawals: the register of withdrawals.
        catalogue: the categories that an exemption can name.
        people: looks people up.
        directory: None where there is none.
        drafts: what was typed into forms before the person had to confirm who they are.
        accounts: None where `accounts` is no way to sign in.
        acceptor: None where `kerberos` is none.
        provider: None where `oidc` is none.
    """

    settings: Settings
    answers: Answers
    clock: Callable[[], float]
    threads: Threads
    store: Store
    sessions: Sessions
    lockouts: Lockouts
    withdrawals: Withdrawals
    catalogue: Catalogue
    people: People
    directory: Directory | None
    drafts: Drafts
    accounts: PasswordFile | None = None
    acceptor: Acceptor | None = None
    provider: Provider | None = None

    @classmethod
    def open(cls, settings: Settings, answers: Answers, clock: Callable[[], float]) -> Self:
        """Open what `settings.portal.sign_in` needs.

        Raises:
            KerberosError: the keytab cannot be used.
            PasswordsError: the file of accounts cannot be used.
            StandingError: `standing.url` names nothing that can be used.
        """
        ways = settings.portal.sign_in

        def now() -> datetime:
            return datetime.fromtimestamp(clock(), UTC)

        accounts = None
        if "accounts" in ways:
            assert settings.portal.accounts is not None  # settings/ sees to it
            accounts = PasswordFile(settings.portal.accounts)
        acceptor = Acceptor(settings.identity.kerberos) if "kerberos" in ways else None
        provider = Provider(settings.portal.oidc, clock) if "oidc" in ways else None
        directory = Directory(settings.directory) if settings.directory.servers else None
        store = open_store(settings.standing, settings.paths)
        portal, threads = settings.portal, Threads()
        return cls(
            settings,
            answers,
            clock,
            threads,
            store,
            Sessions(store, portal.session, portal.idle, now=now),
            Lockouts(store, now=now),
            Withdrawals(store, clock=now),
            Catalogue(settings.paths.index_file),
            People(portal, directory, accounts, threads, offices=settings.audit.offices),
            directory,
            Drafts(),
            accounts,
            acceptor,
            provider,
        )

    async def close(self) -> None:
        """Close everything."""
        if self.provider is not None:
            await self.provider.close()
        if self.acceptor is not None:
            self.acceptor.close()
        if self.accounts is not None:
            self.accounts.close()
        if self.directory is not None:
            self.directory.close()
        self.threads.close()
        self.store.close()

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def session_and_withdrawal(self, session_id: str) -> tuple[Session, str | None] | None:
        """The session of a cookie, and whether its person's web access is withdrawn. Blocks.

        Returns:
            The session and the withdrawal's reference or None; None where there is no session.

        Raises:
            StandingUnavailableError: it cannot be known.
        """
        session = self.sessions.find(session_id)
        if session is None:
            return None
        withdrawal = self.withdrawals.in_force(session.person)
        return session, withdrawal.reference if withdrawal else None

    def register(self) -> Register:
        """The register of exemptions, with the categories as they are now. Blocks."""
        return Register(
            self.store,
            categories=self.catalogue.read(),
            by_name_only=self.settings.policy.by_name_only,
            zone=self.settings.policy.time_zone,
            clock=self.now,
        )

    def authorisations(self) -> Authorisations:
        """The register of authorisations to look at records. Blocks."""
        return Authorisations(
            self.store,
            self.settings.audit,
            expanded=self.settings.policy.expanded,
            clock=self.now,
        )

    def deputies(self) -> Deputies:
        """The register of who acts for the holder of an office. Blocks."""
        return Deputies(self.store, self.settings.audit, clock=self.now)

    def sampling(self) -> Sampling:
        """The register of dip samples. Blocks."""
        return Sampling(self.store, clock=self.now)

    def reviewing(self) -> Reviewing:
        """The review of dip samples: nothing of a look is ever stored. Blocks."""
        return Reviewing(
            self.store,
            requests=Drafting(self.authorisations(), self.settings.audit.validity, clock=self.now),
            views=NoViews(),
            zone=self.settings.policy.time_zone,
            clock=self.now,
        )

    def saved_searches(self) -> SavedSearches:
        """The register of saved searches. Blocks."""
        return SavedSearches(self.store, clock=self.now)

    def holds(self) -> Holds:
        """The register of legal holds. Blocks."""
        return Holds(self.store, zone=self.settings.policy.time_zone, clock=self.now)

    def alerts(self) -> Alerts:
        """The queue of alerts. Blocks."""
        return Alerts(self.store, clock=self.now)

    def reviews(self) -> Reviews:
        """The register of reviews, with the categories as they are now. Blocks."""
        return Reviews(
            self.store,
            threats=self.settings.policy.stays,
            zone=self.settings.policy.time_zone,
            catalogue=self.catalogue.read(),
            categories_of=self.catalogue.categories_of,
            clock=self.now,
        )
