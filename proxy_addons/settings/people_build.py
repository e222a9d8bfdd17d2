"""The settings about people, put together from the table's values.

In: one `Given` for each key of people_keys.py, the environment. Out: the dataclasses of people.py.
Must never: let a way of signing in through that lacks what it is checked by; repeat a secret.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from proxy_addons.rights.certificate import CertificateError, read_pair
from proxy_addons.settings import model, people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from proxy_addons.settings.kinds import Located
    from proxy_addons.settings.people_kinds import EgressSource
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.read_table import Given


class PeopleBuilder:
    """Turns the values of the table into the settings about people.

    Args:
        given: of every key.
        environ: the environment, for secrets.
        path: the absolute path of a key's value.
        report: takes the problems.
    """

    def __init__(
        self,
        given: Mapping[str, Given],
        environ: Mapping[str, str],
        path: Callable[[str], Path],
        report: Report,
    ) -> None:
        self._given = given
        self._environ = environ
        self._path = path
        self._report = report

    def profiles(self) -> Iterator[Located]:
        """Profiles that the settings name; policy.yaml must have them."""
        for entry in self._value("identity.addresses") or ():
            yield entry.profile
        for entry in self._value("identity.profiles") or ():
            yield entry.profile
        if self._value("identity.default_profile") is not None:
            yield self._value("identity.default_profile")
        for entry in self._value("network.egress") or ():
            yield entry.profile

    def identity(self) -> people.Identity:
        """`identity`."""
        order: tuple[str, ...] = self._value("identity.order") or ()
        for number, way in enumerate(order):
            if way in order[:number]:
                self._problem("identity.order", f"names {way} twice")
        kerberos = self._kerberos(order)
        basic = self._basic(order)
        if self._value("identity.profiles") and not self._value("directory.servers"):
            message = "needs directory.servers: it is the directory that knows groups"
            self._problem("identity.profiles", message)
        default = self._value("identity.default_profile")
        return people.Identity(
            addresses=tuple(
                model.AddressEntry(entry.network, entry.person, entry.profile.text)
                for entry in self._value("identity.addresses") or ()
            ),
            order=order,
            kerberos=kerberos,
            basic=basic,
            load_balancers=people.LoadBalancers(
                self._value("identity.load_balancers.proxy_protocol") or (),
                self._value("identity.load_balancers.forwarded_for") or (),
            ),
            profiles=tuple(
                people.GroupProfile(entry.groups, entry.profile.text)
                for entry in self._value("identity.profiles") or ()
            ),
            default_profile=None if default is None else default.text,
            lifetime=self._value("identity.lifetime"),
        )

    def _kerberos(self, order: tuple[str, ...]) -> people.Kerberos:
        key = "identity.kerberos.keytab"
        portal: tuple[str, ...] = self._value("portal.sign_in") or ()
        if self._value(key) is None:
            for name, ways in (("identity.order", order), ("portal.sign_in", portal)):
                if "kerberos" in ways:
                    self._problem(name, f"names kerberos, which needs {key}")
        return people.Kerberos(
            keytab=self._file(key),
            service=self._value("identity.kerberos.service"),
            realms=self._value("identity.kerberos.realms") or (),
        )

    def _basic(self, order: tuple[str, ...]) -> people.Basic:
        check = self._value("identity.basic.check")
        if "basic" in order and check == "directory" and not self._value("directory.servers"):
            message = "names basic, which needs directory.servers, or identity.basic.check: file"
            self._problem("identity.order", message)
        if "basic" in order and check == "file" and self._value("identity.basic.file") is None:
            self._problem("identity.basic.check", "needs identity.basic.file")
        return people.Basic(
            check=check,
            file=self._file("identity.basic.file"),
            realm=self._value("identity.basic.realm"),
            in_the_clear=self._value("identity.basic.in_the_clear"),
            remember=self._value("identity.basic.remember"),
        )

    def directory(self) -> people.Directory:
        """`directory`."""
        section = "directory."
        servers: tuple[str, ...] = self._value("directory.servers") or ()
        if servers and self._value("directory.base") is None:
            self._problem("directory.base", "not given; wanted where people are, dc=force,dc=uk")
        bind_dn = self._value("directory.bind_dn")
        password = self._secret("directory.bind_password_env")
        if servers and (bind_dn is None) != (password is None):
            message = "directory.bind_dn and directory.bind_password_env go together"
            self._problem("directory.bind_dn", message)
        if not self._value("directory.start_tls"):
            self._check_clear_text(servers)
        plain = {
            name.removeprefix(section): given.value
            for name, given in self._given.items()
            if name.startswith(section)
            and name not in {"directory.ca_file", "directory.bind_password_env", "directory.base"}
        }
        plain["servers"] = servers
        return people.Directory(
            **plain,
            base=self._value("directory.base") or "",
            ca_file=self._pem("directory.ca_file"),
            bind_password=password,
        )

    def _check_clear_text(self, servers: tuple[str, ...]) -> None:
        """Passwords go to a directory by TLS, or stay on this machine."""
        for server in servers:
            host = server.partition("://")[2].rpartition(":")[0] or server.partition("://")[2]
            if server.startswith("ldap://") and not _is_loopback(host.strip("[]")):
                message = (
                    f"passwords would go to {server} in the clear; leave it true, or use ldaps"
                )
                self._problem("directory.start_tls", message)

    def standing(self) -> people.Standing:
        """`standing`."""
        password = self._secret("standing.password_env")
        url = self._value("standing.url")
        if password is not None and url is None:
            self._problem("standing.password_env", "given without standing.url, whose it would be")
        return people.Standing(url=url, password=password, stale=self._value("standing.stale"))

    def portal(self) -> people.Portal:
        """`portal`."""
        sign_in: tuple[str, ...] = self._value("portal.sign_in") or ()
        if "accounts" in sign_in and self._value("portal.accounts") is None:
            self._problem("portal.sign_in", "names accounts, which needs portal.accounts")
        issuer, client = self._value("portal.oidc.issuer"), self._value("portal.oidc.client_id")
        if "oidc" in sign_in and (issuer is None or client is None):
            message = "names oidc, which needs portal.oidc.issuer and portal.oidc.client_id"
            self._problem("portal.sign_in", message)
        return people.Portal(
            sign_in=sign_in,
            accounts=self._file("portal.accounts"),
            oidc=people.Oidc(
                issuer=issuer,
                client_id=client or "",
                client_secret=self._secret("portal.oidc.client_secret_env"),
                name_claim=self._value("portal.oidc.name_claim"),
            ),
            roles=tuple(
                people.RoleGroups(entry.role, entry.groups, entry.people)
                for entry in self._value("portal.roles") or ()
            ),
            session=self._value("portal.session"),
            idle=self._value("portal.idle"),
        )

    def certificate(self) -> people.Certificate:
        """`listen.certificate`, `listen.key` and `listen.names`."""
        chain, key = self._file("listen.certificate"), self._file("listen.key")
        if (chain is None) != (key is None):
            self._problem("listen.certificate", "listen.certificate and listen.key go together")
        elif chain is not None and key is not None and chain.exists() and key.exists():
            try:
                read_pair(chain, key)
            except CertificateError as problem:
                # Refused at the start rather than at the first handshake.
                self._problem("listen.certificate", str(problem))
        return people.Certificate(chain, key, self._value("listen.names") or ())

    def egress(self) -> tuple[people.Egress, ...]:
        """`network.egress`."""
        entries: tuple[EgressSource, ...] = self._value("network.egress") or ()
        if entries and self._value("network.upstream_proxy") is not None:
            message = "cannot be combined with network.upstream_proxy"
            self._problem("network.egress", message)
        seen: dict[str, EgressSource] = {}
        found = []
        for entry in entries:
            first = seen.setdefault(entry.profile.text, entry)
            if first is not entry:
                message = f"{entry.profile.text} has a way out already, see {first.place}"
                self._report.add(entry.place, f"{entry.key}.profile", message)
            credentials = None
            if entry.credentials_env is not None:
                credentials = self._login(entry)
            found.append(
                people.Egress(
                    entry.profile.text,
                    entry.source_address,
                    entry.proxy.endpoint if entry.proxy else None,
                    credentials,
                )
            )
        return tuple(found)

    def _login(self, entry: EgressSource) -> str | None:
        credentials = self._environ.get(entry.credentials_env or "", "")
        user, colon, _ = credentials.partition(":")
        if not user or not colon or not credentials.isprintable():
            # Neither the value nor its length is told.
            variable = entry.credentials_env
            message = f"the environment variable {variable} does not hold user:password"
            self._report.add(entry.place, f"{entry.key}.proxy_credentials_env", message)
            return None
        return credentials

    # --- pieces ---------------------------------------------------------------------------

    def _value(self, name: str) -> Any:
        return self._given[name].value

    def _problem(self, key: str, message: str) -> None:
        self._report.add(self._given[key].place, key, message)

    def _secret(self, key: str) -> str | None:
        """What the environment variable holds that a key names."""
        variable = self._value(key)
        if variable is None:
            return None
        secret = self._environ.get(variable, "")
        if not secret or not secret.isprintable():
            # Neither the value nor its length is told.
            self._problem(key, f"the environment variable {variable} is not set, or no text")
            return None
        return secret

    def _file(self, key: str) -> Path | None:
        """The path of a file that must be there; what is in it is for its reader to judge."""
        if self._value(key) is None:
            return None
        path = self._path(key)
        if not path.is_file():
            self._problem(key, f"there is no file {path}")
        return path

    def _pem(self, key: str) -> Path | None:
        path = self._file(key)
        if path is not None and path.is_file():
            try:
                ssl.create_default_context(cafile=str(path))
            except OSError:
                # The configuration is refused: it would show later, as a directory that is down.
                self._problem(key, f"{path} is no PEM file with certificates that can be read")
        return path


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # other names may lead anywhere
