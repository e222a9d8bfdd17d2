"""The settings about personal use, put together from the table's values.

In: one `Given` for each key of shifts_keys.py, the environment; the categories of the policy.
Out: the dataclasses of shifts.py.
Must never: repeat a secret, or ask people to acknowledge a statement that cannot be shown.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from proxy_addons.settings import shifts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from proxy_addons.settings.kinds import Located
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.read_table import Given

_SECTION = "personal_use."
STATEMENT_FILE = "statement.md"
LONGEST_STATEMENT = 256 * 1024  # bytes: it is shown whole, on a page of ours, to everybody


class ShiftsBuilder:
    """Turns the values of the table into the settings about personal use.

    Args:
        given: of every key.
        environ: the environment, for secrets.
        path: the absolute path of a key's value.
        config_dir: where the statement is by default.
        report: takes the problems.
    """

    def __init__(
        self,
        given: Mapping[str, Given],
        environ: Mapping[str, str],
        path: Callable[[str], Path],
        config_dir: Path,
        report: Report,
    ) -> None:
        self._given = given
        self._environ = environ
        self._path = path
        self._config_dir = config_dir
        self._report = report

    def categories(self) -> tuple[Located, ...]:
        """Categories and groups that the settings name; the policy must know them."""
        found: tuple[Located, ...] = self._value("acknowledgement.open_categories") or ()
        return found

    def built(self) -> shifts.Shifts:
        """`personal_use`, its categories as written; see `with_categories`."""
        minute = self._value("day_turns") or 0
        return shifts.Shifts(
            day_turns=time(minute // 60, minute % 60),
            breaks=self._breaks(),
            allowances=self._allowances(),
            coach=shifts.Coach(lasts=self._value("coach.lasts")),
            acknowledgement=self._acknowledgement(),
            reports=self._reports(),
            keep=shifts.Keep(
                figures=self._value("keep.figures"),
                duties=self._value("keep.duties"),
                reviews=self._value("keep.reviews"),
            ),
        )

    def _breaks(self) -> shifts.Breaks:
        choices: tuple[int, ...] = self._value("breaks.choices") or ()
        allowance, warning = self._value("breaks.allowance"), self._value("breaks.warning")
        if list(choices) != sorted(set(choices)):
            message = "not ascending, or a number twice; write such as [15, 30, 60]"
            self._problem("breaks.choices", message)
        elif choices and allowance is not None and choices[0] > allowance:
            message = (
                f"no break fits into it: the shortest has {choices[0]} minutes"
                " (personal_use.breaks.choices)"
            )
            self._problem("breaks.allowance", message)
        elif choices and warning is not None and warning >= choices[0]:
            message = (
                f"the shortest break has {choices[0]} minutes (personal_use.breaks.choices):"
                " give fewer"
            )
            self._problem("breaks.warning", message)
        return shifts.Breaks(
            enabled=self._value("breaks.enabled"),
            choices=choices,
            allowance=allowance,
            gap=self._value("breaks.gap"),
            warning=warning,
        )

    def _allowances(self) -> shifts.Allowances:
        # 0 stands for unlimited; what could not be read is reported, and None here as well.
        personal = self._value("allowances.personal") or None
        social = self._value("allowances.social") or None
        if personal is not None and social is not None and social > personal:
            message = (
                f"{social} minutes of social networks are more than the {personal} of all personal"
                f" use; set personal_use.allowances.social to at most {personal}, or to unlimited"
            )
            given = self._given[f"{_SECTION}allowances.social"]
            key = "allowances.personal" if given.place == "default" else "allowances.social"
            self._problem(key, message)
        return shifts.Allowances(personal, social, self._value("allowances.low"))

    def _acknowledgement(self) -> shifts.Acknowledgement:
        required = self._value("acknowledgement.required")
        return shifts.Acknowledgement(
            required=required,
            statement=self._statement(required=required),
            renewed=self._value("acknowledgement.renewed"),
            open_categories=tuple(name.text for name in self.categories()),
            open_hosts=self._value("acknowledgement.open_hosts") or (),
        )

    def _statement(self, *, required: bool) -> Path | None:
        """The file, where there is one that can be shown."""
        key = "acknowledgement.statement"
        given = self._value(key) is not None
        path = self._path(_SECTION + key) if given else self._config_dir / STATEMENT_FILE
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            # Nobody could acknowledge it: reported where it is named or needed.
            if given:
                self._problem(key, f"there is no file {path}")
            elif required:
                message = f"needs a statement: write {path}, or name a file with {_SECTION}{key}"
                self._problem("acknowledgement.required", message)
            return None
        except OSError as problem:
            # As above.
            self._problem(key, f"{path} cannot be read: {problem.strerror}")
            return None
        except UnicodeDecodeError:
            # As above.
            self._problem(key, f"{path} is not UTF-8")
            return None
        if not text.strip():
            self._problem(key, f"{path} is empty")
        elif len(text.encode()) > LONGEST_STATEMENT:
            self._problem(key, f"{path} has more than {LONGEST_STATEMENT // 1024} KiB")
        return path

    def _reports(self) -> shifts.Reports:
        smtp = self._value("reports.smtp")
        user, password = self._value("reports.user"), self._secret("reports.password_env")
        variable = self._value("reports.password_env")
        if (user is None) != (variable is None):
            key = "reports.password_env" if user is None else "reports.user"
            self._problem(key, "personal_use.reports.user and .password_env go together")
        if smtp is None:
            if user is not None:
                self._problem("reports.user", "given without personal_use.reports.smtp")
        else:
            for name in ("reports.sender", "reports.address"):
                if self._value(name) is None:
                    self._problem(name, "not given; personal_use.reports.smtp needs it")
            clear = not self._value("reports.starttls") and not _is_loopback(smtp.host)
            if clear and user is not None:
                message = f"the password would go to {smtp.host} in the clear; leave it true"
                self._problem("reports.starttls", message)
        return shifts.Reports(
            smtp=None if smtp is None else (smtp.host, smtp.port),
            starttls=self._value("reports.starttls"),
            user=user,
            password=password,
            sender=self._value("reports.sender") or "",
            address=self._value("reports.address") or "",
        )

    # --- pieces ---------------------------------------------------------------------------

    def _value(self, name: str) -> Any:
        return self._given[_SECTION + name].value

    def _problem(self, name: str, message: str) -> None:
        key = _SECTION + name
        self._report.add(self._given[key].place, key, message)

    def _secret(self, name: str) -> str | None:
        """What the environment variable holds that a key names."""
        variable = self._value(name)
        if variable is None:
            return None
        secret = self._environ.get(variable, "")
        if not secret or not secret.isprintable():
            # Neither the value nor its length is told.
            self._problem(name, f"the environment variable {variable} is not set, or no text")
            return None
        return secret


def with_categories(
    built: shifts.Shifts, expanded: Callable[[Collection[str]], frozenset[str]]
) -> shifts.Shifts:
    """The same with groups expanded and list aliases included, as categories are compared.

    Args:
        built: as written.
        expanded: what the policy makes of names (`Policy.expanded`).
    """
    acknowledgement = built.acknowledgement
    found = tuple(sorted(expanded(acknowledgement.open_categories)))
    return replace(built, acknowledgement=replace(acknowledgement, open_categories=found))


def odd(built: shifts.Shifts, states: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is valid and of no effect, or other than it may look: for `watchhouse check`.

    Args:
        built: the settings.
        states: the states that rules of the policy look at.

    Yields:
        A dotted key and a sentence.
    """
    breaks, allowances, reports = built.breaks, built.allowances, built.reports
    if longer := [each for each in breaks.choices if each > breaks.allowance]:
        message = f"breaks of {longer[0]} minutes (personal_use.breaks.choices) are never offered"
        yield f"{_SECTION}breaks.allowance", message
    if breaks.enabled and "on-break" not in states:
        yield f"{_SECTION}breaks.enabled", "no rule of policy.yaml has state: on-break"
    for name, limit in (("personal", allowances.personal), ("social", allowances.social)):
        prefix = "allowance" if name == "personal" else "social"
        if limit is not None and f"{prefix}-used" not in states:
            message = f"no rule of policy.yaml has state: {prefix}-used, so that nothing is refused"
            yield f"{_SECTION}allowances.{name}", message
        if limit is not None and allowances.low >= limit:
            message = f"people are told of their last {allowances.low} minutes from the first on"
            yield f"{_SECTION}allowances.{name}", message
    if reports.smtp is not None and not reports.starttls and not _is_loopback(reports.smtp[0]):
        yield f"{_SECTION}reports.starttls", "what people did would go through the net in the clear"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # other names may lead anywhere
