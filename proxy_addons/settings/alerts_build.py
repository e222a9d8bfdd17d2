"""The settings of alerts, put together: names that the policy knows, receivers, secrets.

In: the entries of `alerts` and `alert_webhooks` as they were written; the policy as read.
Out: the dataclasses of alerts.py.
Must never: quote a secret; let an alert count nothing because a name in it is wrong.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.policy.model import RESERVED_RULES
from proxy_addons.settings.alerts import Alert, AlertWhen, Webhook
from proxy_addons.settings.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from proxy_addons.settings.alerts_kinds import WrittenAlert, WrittenWebhook
    from proxy_addons.settings.kinds import Located
    from proxy_addons.settings.policy_file import PolicySource
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.read_table import Given

_LEAST_SECRET = 16  # characters
_MOST_HOSTS = 1000  # they are kept in memory, for each person


class AlertsBuilder:
    """Turns the entries into `Alert` and `Webhook`.

    Args:
        given: a value for each key of the table.
        environ: holds the secrets.
        config_dir: relative paths are relative to it.
        report: takes the problems.
    """

    def __init__(
        self,
        given: Mapping[str, Given],
        environ: Mapping[str, str],
        config_dir: Path,
        report: Report,
    ) -> None:
        self._alerts: tuple[WrittenAlert, ...] = given["alerts"].value or ()
        self._webhooks: tuple[WrittenWebhook, ...] = given["alert_webhooks"].value or ()
        self._can_mail = given["personal_use.reports.smtp"].value is not None
        self._environ = environ
        self._config_dir = config_dir
        self._report = report

    def categories(self) -> tuple[Located, ...]:
        """Categories and groups that alerts name; the policy must know them."""
        return tuple(name for each in self._alerts for name in each.when.categories or ())

    def webhooks(self) -> tuple[Webhook, ...]:
        """`alert_webhooks`."""
        seen: dict[str, WrittenWebhook] = {}
        for each in self._webhooks:
            if seen.setdefault(each.name, each) is not each:
                message = f"{each.name} is given twice, first at {seen[each.name].place}"
                self._report.add(each.place, f"{each.key}.name", message)
        return tuple(
            Webhook(each.name, each.url, self._secret(each), self._ca_file(each))
            for each in self._webhooks
        )

    def built(self, source: PolicySource) -> tuple[Alert, ...]:
        """`alerts`, categories as written; see `with_categories`.

        Args:
            source: the policy as read; names of its rules, profiles and time spaces.
        """
        rules = {each.id.text for each in source.rules} | RESERVED_RULES
        written = source.written
        seen: dict[str, WrittenAlert] = {}
        for each in self._alerts:
            if seen.setdefault(each.id, each) is not each:
                message = f"{each.id} is given twice, first at {seen[each.id].place}"
                self._report.add(each.place, f"{each.key}.id", message)
            self._known(each.when.rules, rules if source.rules else None, "rule")
            self._known(each.when.profiles, written.get("profiles"), "profile")
            self._known(each.when.outside, written.get("time_spaces"), "time space")
            if each.measure == "hosts" and each.threshold > _MOST_HOSTS:
                message = f"more than {_MOST_HOSTS} different hosts are not counted"
                self._report.add(each.place, f"{each.key}.threshold", message)
            self._receivers(each)
        return tuple(map(_alert, self._alerts))

    def _known(
        self, names: Iterable[Located] | None, known: Collection[str] | None, what: str
    ) -> None:
        # None: the section itself could not be read, so its names are not to blame.
        for name in names or ():
            if known is not None and name.text not in known:
                message = f"policy.yaml has no {what} {name.text}{nearest(name.text, known)}"
                self._report.add(name.place, name.key, message)

    def _receivers(self, entry: WrittenAlert) -> None:
        hooks = [each.name for each in self._webhooks]
        for each in entry.to:
            way, _, target = each.text.partition(":")
            if way == "webhook" and target not in hooks:
                message = f"alert_webhooks has no {target}{nearest(target, hooks)}"
                self._report.add(each.place, each.key, message)
            if way == "mail" and not self._can_mail:
                message = "no mail server is configured; give personal_use.reports.smtp"
                self._report.add(each.place, each.key, message)

    def _secret(self, entry: WrittenWebhook) -> bytes:
        secret = self._environ.get(entry.secret_env, "")
        if len(secret) < _LEAST_SECRET or not (secret.isascii() and secret.isprintable()):
            # Neither the value nor its length is told.
            message = (
                f"the environment variable {entry.secret_env} does not hold a secret of at least"
                f" {_LEAST_SECRET} printable characters"
            )
            self._report.add(entry.place, f"{entry.key}.secret_env", message)
        return secret.encode(errors="replace")

    def _ca_file(self, entry: WrittenWebhook) -> Path | None:
        if entry.ca_file is None:
            return None
        path = Path(os.path.normpath(self._config_dir / Path(entry.ca_file).expanduser()))
        try:
            ssl.create_default_context(cafile=str(path))
        except OSError:
            # Refused at the start: it would show later, as a receiver that is not trusted.
            message = f"{path} is no PEM file with certificates that can be read"
            self._report.add(entry.place, f"{entry.key}.ca_file", message)
        return path


def _alert(entry: WrittenAlert) -> Alert:
    when = entry.when
    targets = [each.text.partition(":") for each in entry.to]
    return Alert(
        id=entry.id,
        clause=entry.clause,
        words=entry.words,
        when=AlertWhen(
            rules=_texts(when.rules),
            categories=_texts(when.categories),
            actions=None if when.actions is None else frozenset(when.actions),
            profiles=_texts(when.profiles),
            outside=None if when.outside is None else tuple(each.text for each in when.outside),
            hours=when.hours,
            findings=None if when.findings is None else frozenset(when.findings),
            virus=when.virus,
            opened_only=when.opened_only,
        ),
        per=entry.per,
        measure=entry.measure,
        threshold=entry.threshold,
        within=entry.within,
        quiet=entry.quiet,
        severity=entry.severity,
        mails=tuple(target for way, _, target in targets if way == "mail"),
        webhooks=tuple(target for way, _, target in targets if way == "webhook"),
    )


def _texts(names: Iterable[Located] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(name.text for name in names)


def with_categories(
    built: tuple[Alert, ...], expanded: Callable[[Collection[str]], frozenset[str]]
) -> tuple[Alert, ...]:
    """The same with groups expanded and list aliases included, as records may have them.

    Args:
        built: as written.
        expanded: what the policy makes of names (`Policy.expanded`).
    """
    return tuple(
        each
        if each.when.categories is None
        else replace(each, when=replace(each.when, categories=expanded(each.when.categories)))
        for each in built
    )
