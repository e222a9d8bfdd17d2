"""Loading a configuration: its files, options and the environment in, `Settings` out.

In: the configuration folder, options, the environment, the categories that lists know.
Out: frozen `Settings` with the compiled policy; or one `SettingsError` that lists every problem.
Must never: return settings of which any part was wrong, or write anything.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.policy.model import TRAITS
from proxy_addons.settings import alerts_build, audit_build, inforce, model
from proxy_addons.settings.carriers_file import read_carriers
from proxy_addons.settings.content_build import ContentBuilder
from proxy_addons.settings.feeds_build import FeedsBuilder
from proxy_addons.settings.log_build import LogBuilder
from proxy_addons.settings.oddities import MAIN_FILE, POLICY_FILE, Loaded, oddities
from proxy_addons.settings.packs import with_packs
from proxy_addons.settings.people_build import PeopleBuilder
from proxy_addons.settings.policy_file import PolicySource, read_policy
from proxy_addons.settings.policy_names import check_names, compile_policy
from proxy_addons.settings.problems import Problem, Report, SettingsError
from proxy_addons.settings.read_table import Given, read_table
from proxy_addons.settings.retention import Retention
from proxy_addons.settings.shifts_build import ShiftsBuilder, with_categories
from proxy_addons.settings.tree import Mapping, read

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from collections.abc import Mapping as MappingOf
    from datetime import date

    type KnownCategories = Collection[str] | Callable[[model.Paths], Collection[str] | None] | None

__all__ = ["MAIN_FILE", "POLICY_FILE", "Examined", "SettingsError", "examine", "load"]

CARRIERS_FILE = "carriers.yaml"  # the force's own, where there are any
_OUR_CARRIERS = Path(__file__).with_name(CARRIERS_FILE)

_VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Examined:
    """Settings, and what is odd about them although they are valid.

    Attributes:
        settings: the settings.
        warnings: for `watchhouse check`.
    """

    settings: model.Settings
    warnings: tuple[Problem, ...]


def load(
    config_dir: Path,
    *,
    overrides: MappingOf[str, str] | None = None,
    environ: MappingOf[str, str],
    known_categories: Collection[str] | None = None,
    today: date | None = None,
    files: Path | None = None,
) -> model.Settings:
    """Load a configuration.

    Args:
        config_dir: the folder that holds `watchhouse.yaml` and `policy.yaml`.
        overrides: dotted key → text, from the command line; they win over all else.
        environ: the environment; it wins over the files.
        known_categories: the categories of all lists; None leaves categories unchecked.
        today: the date around which bank holidays are known; None for the present one (UTC).
        files: where the files are read from, in place of `config_dir` (settings/inforce.py); what
            they name stays relative to that.

    Returns:
        The settings, all paths absolute.

    Raises:
        SettingsError: anything is wrong; its text lists every problem with file, line and key.
    """
    return _load(config_dir, overrides or {}, environ, known_categories, today, files).settings


def examine(
    config_dir: Path,
    *,
    overrides: MappingOf[str, str] | None = None,
    environ: MappingOf[str, str],
    known_categories: KnownCategories = None,
    today: date | None = None,
    files: Path | None = None,
) -> Examined:
    """Load a configuration and look for oddities.

    Args:
        config_dir: see `load`.
        overrides: see `load`.
        environ: see `load`.
        known_categories: see `load`; or what finds them once it is known where lists are.
        today: see `load`.
        files: see `load`.

    Raises:
        SettingsError: anything is wrong.
    """
    loaded = _load(config_dir, overrides or {}, environ, known_categories, today, files)
    return Examined(loaded.settings, tuple(oddities(loaded, environ)))


def _load(
    config_dir: Path,
    overrides: MappingOf[str, str],
    environ: MappingOf[str, str],
    known_categories: KnownCategories,
    today: date | None,
    files: Path | None,
) -> Loaded:
    report = Report()
    digest = hashlib.sha256()
    if files is None:
        # Processes of a gateway all read the same copy.
        files = Path(environ.get(inforce.VARIABLE) or config_dir)
    main = _read_file(files / MAIN_FILE, digest, report, config_dir)
    policy_tree = _read_file(files / POLICY_FILE, digest, report, config_dir)
    tables = _carrier_tables(files / CARRIERS_FILE, config_dir, digest, report)
    carriers = read_carriers(tables, report)
    given = read_table(main, overrides, environ, report)
    builder = _Builder(config_dir.absolute(), given, environ, report)
    network, tls, paths = builder.network(), builder.tls(), builder.paths()
    known = known_categories(paths) if callable(known_categories) else known_categories
    if known is not None:
        known = TRAITS.union(known)
    source = PolicySource("")
    if policy_tree is not None:
        packs = config_dir / inforce.PACKS
        policy_tree = with_packs(
            policy_tree, files, lambda path: _read_file(path, digest, report, packs), report
        )
        year = (today or datetime.now(UTC).date()).year
        source = read_policy(policy_tree, report, year)
        check_names(
            source,
            builder.people.profiles(),
            given["tls.never_inspect.categories"].value or (),
            known,
            report,
            or_groups=(
                *builder.shifts.categories(),
                *builder.audit.categories(),
                *builder.alerts.categories(),
            ),
        )
    of_people = builder.people
    identity, directory = of_people.identity(), of_people.directory()
    standing, portal = of_people.standing(), of_people.portal()
    listen, shifts = builder.listen(), builder.shifts.built()
    content, audit = builder.content.built(), builder.audit.built()
    log = builder.log.built()
    feeds = FeedsBuilder(given, environ, paths.config_dir, paths.data_dir, known, report).built()
    alerts, webhooks = builder.alerts.built(source), builder.alerts.webhooks()
    report.raise_if_any()
    policy = compile_policy(
        source, given["tls.never_inspect.categories"].value, tls.never_inspect_hosts
    )
    settings = model.Settings(
        listen=listen,
        network=network,
        limits=builder.limits(),
        tls=replace(tls, never_inspect_categories=policy.never_inspect_categories),
        identity=identity,
        directory=directory,
        standing=standing,
        portal=portal,
        shifts=with_categories(shifts, policy.expanded),
        content=content,
        audit=audit_build.with_categories(audit, policy.expanded),
        log=log,
        feeds=feeds,
        retention=builder.retention(),
        alerts=alerts_build.with_categories(alerts, policy.expanded),
        alert_webhooks=webhooks,
        page=builder.page(),
        pac=model.Pac(given["pac.proxies"].value),
        paths=paths,
        policy=policy,
        carriers=carriers,
        policy_version=digest.hexdigest()[:_VERSION_DIGITS],
        run_as=given["run_as"].value,
        watch=given["reload.watch"].value,
    )
    return Loaded(settings, source, known, given)


def _read_file(
    path: Path, digest: hashlib._Hash, report: Report, named: Path | None = None
) -> Mapping | None:
    """The tree of a file; messages name it as it is called in the folder `named`."""
    name = str(path if named is None else named / path.name)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        # Nothing is loaded: a gateway without its configuration does not start.
        hint = "give the configuration folder with --config or WATCHHOUSE_CONFIG"
        report.add(name, "", f"there is no such file; {hint}")
        return None
    except OSError as problem:
        # As above: what cannot be read is not used.
        report.add(name, "", f"cannot be read: {problem.strerror}")
        return None
    digest.update(len(data).to_bytes(8, "big"))  # so that no text can move from file to file
    digest.update(data)
    return read(data, name, report)


def _carrier_tables(own: Path, named: Path, digest: hashlib._Hash, report: Report) -> list[Mapping]:
    """The table of carriers that comes with the program, and the force's own, if it has one."""
    tables = [_read_file(_OUR_CARRIERS, digest, report)]
    if own.exists():
        tables.append(_read_file(own, digest, report, named))
    return [table for table in tables if table is not None]


class _Builder:
    """Turns the values of the table into the frozen settings."""

    def __init__(
        self,
        config_dir: Path,
        given: MappingOf[str, Given],
        environ: MappingOf[str, str],
        report: Report,
    ) -> None:
        self._config_dir = config_dir
        self._given = given
        self._environ = environ
        self._report = report
        self.people = PeopleBuilder(given, environ, lambda key: self._path(key, config_dir), report)
        self.shifts = ShiftsBuilder(
            given, environ, lambda key: self._path(key, config_dir), config_dir, report
        )
        self.audit = audit_build.AuditBuilder(given, report)
        self.alerts = alerts_build.AlertsBuilder(given, environ, config_dir, report)
        self.log = LogBuilder(given, lambda key: self._path(key, config_dir), report)
        self.content = ContentBuilder(
            given, lambda key: self._path(key, self.paths().data_dir), report
        )

    def _value(self, name: str) -> Any:
        return self._given[name].value

    def listen(self) -> model.Listen:
        cores = len(os.sched_getaffinity(0))
        return model.Listen(
            proxy=self._value("listen.proxy"),
            portal=self._value("listen.portal"),
            workers=self._value("listen.workers") or cores,
            proxy_tls=self._value("listen.proxy_tls") or (),
            portal_tls=self._value("listen.portal_tls") or (),
            certificate=self.people.certificate(),
        )

    def network(self) -> model.Network:
        intranet = self._value("network.intranet") or ()
        return model.Network(
            upstream_proxy=self._upstream_proxy(),
            allow_ports=frozenset(self._value("network.allow_ports") or ()),
            allow_http_ports=self._value("network.allow_http_ports"),
            allow_methods=frozenset(self._value("network.allow_methods") or ()),
            via=self._value("network.via"),
            look_up_refused=self._value("network.look_up_refused"),
            deny_destinations=self._value("network.deny_destinations"),
            intranet_networks=tuple(each for each in intranet if not isinstance(each, str)),
            intranet_names=tuple(each for each in intranet if isinstance(each, str)),
            dns_servers=self._value("network.dns_servers"),
            connect_timeout=self._value("network.connect_timeout"),
            idle_timeout=self._value("network.idle_timeout"),
            relay_lane=self._value("network.relay_lane"),
            egress=self.people.egress(),
        )

    def _upstream_proxy(self) -> model.UpstreamProxy | None:
        proxy: model.UpstreamProxy | None = self._value("network.upstream_proxy")
        key = "network.upstream_proxy_credentials_env"
        variable = self._given[key]
        if variable.value is None:
            return proxy
        if proxy is None:
            if self._given["network.upstream_proxy"].place == "default":
                message = "given without network.upstream_proxy, whose credentials they would be"
                self._report.add(variable.place, key, message)
            return None
        credentials = self._environ.get(variable.value, "")
        user, colon, _ = credentials.partition(":")
        if not user or not colon or not credentials.isprintable():
            # Neither the value nor its length is told.
            message = f"the environment variable {variable.value} does not hold user:password"
            self._report.add(variable.place, key, message)
            return None
        return replace(proxy, credentials=credentials)

    def retention(self) -> Retention:
        section = "audit.retention."
        return Retention(
            **{
                name.removeprefix(section): given.value
                for name, given in self._given.items()
                if name.startswith(section)
            }
        )

    def limits(self) -> model.Limits:
        section = "limits."
        return model.Limits(
            **{
                name.removeprefix(section): given.value
                for name, given in self._given.items()
                if name.startswith(section)
            }
        )

    def tls(self) -> model.Tls:
        return model.Tls(
            http2=self._value("tls.http2"),
            trusted_ca_file=self._trusted_ca_file(),
            never_inspect_categories=frozenset(),  # the policy's, which hold the aliases too
            never_inspect_hosts=frozenset(self._value("tls.never_inspect.hosts") or ()),
        )

    def _trusted_ca_file(self) -> Path | None:
        key = "tls.trusted_ca_file"
        if self._value(key) is None:
            return None
        path = self._path(key, self._config_dir)
        try:
            ssl.create_default_context(cafile=str(path))
        except FileNotFoundError:
            # The configuration is refused: starting without a trust that was asked for would show
            # only later, as sites that fail.
            self._report.add(self._given[key].place, key, f"there is no file {path}")
        except OSError:
            # As above; ssl.SSLError, for a file without certificates, is an OSError.
            message = f"{path} is no PEM file with certificates that can be read"
            self._report.add(self._given[key].place, key, message)
        return path

    def page(self) -> model.Page:
        return model.Page(
            organisation=self._value("page.organisation"),
            contact=self._value("page.contact"),
            monitoring_notice=self._value("page.monitoring_notice"),
            portal=self._value("page.portal"),
        )

    def paths(self) -> model.Paths:
        return model.Paths(
            config_dir=self._config_dir,
            categories_dir=self._path("categories_dir", self._config_dir),
            data_dir=self._path("data_dir", self._config_dir.parent),
        )

    def _path(self, name: str, base: Path) -> Path:
        """The absolute path; one from the shell is relative to the working directory."""
        given = self._given[name]
        start = Path.cwd() if given.from_shell else base
        return Path(os.path.normpath(start / Path(given.value or ".").expanduser()))
