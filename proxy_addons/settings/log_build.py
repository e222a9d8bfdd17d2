"""The settings about the access log, put together from the table's values.

In: one `Given` for each key of log_keys.py. Out: `log.Log`.
Must never: contact anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.x509 import load_pem_x509_certificates

from proxy_addons.settings import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.read_table import Given

_SECTION = "log."


class LogBuilder:
    """Turns the values of the table into `log`.

    Args:
        given: a value for each key.
        path: the absolute path that a key holds; relative ones are relative to the configuration.
        report: takes the problems.
    """

    def __init__(
        self, given: Mapping[str, Given], path: Callable[[str], Path], report: Report
    ) -> None:
        self._given = given
        self._path = path
        self._report = report

    def built(self) -> log.Log:
        """`log`."""
        witnesses: tuple[log.Witness, ...] = self._value("witnesses") or ()
        keys = [each.key for each in witnesses]
        for key in {each for each in keys if keys.count(each) > 1}:
            self._problem("witnesses", f"names {key} twice; take one of them away")
        every, after = self._value("seal_every"), self._value("seal_after")
        if every and after and after >= every and self._given["log.seal_after"].place != "default":
            self._problem("seal_after", f"wanted less than log.seal_every, {every:g}")
        return log.Log(
            origin=self._value("origin"),
            seal_every=every,
            seal_after=after,
            keep_plain=self._value("keep_plain"),
            witnesses=witnesses,
            timestamps=log.TimeStamps(self._value("timestamps.url"), self._certificate()),
        )

    def _certificate(self) -> Path | None:
        name = "timestamps.certificate"
        if self._value(name) is None:
            if self._value("timestamps.url") is not None:
                message = "given without log.timestamps.certificate, which proves its time-stamps"
                self._problem("timestamps.url", message)
            return None
        path = self._path(_SECTION + name)
        try:
            load_pem_x509_certificates(path.read_bytes())
        except OSError as problem:
            # The configuration is refused: a time-stamp that nobody can check proves nothing.
            self._problem(name, f"{path} cannot be read: {problem.strerror}")
        except ValueError:
            # As above.
            self._problem(name, f"{path} is no PEM file with certificates that can be read")
        return path

    def _value(self, name: str) -> Any:
        return self._given[_SECTION + name].value

    def _problem(self, name: str, message: str) -> None:
        key = _SECTION + name
        self._report.add(self._given[key].place, key, message)
