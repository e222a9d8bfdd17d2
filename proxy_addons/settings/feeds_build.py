"""The settings of feeds, put together: secrets from the environment, paths, what fits together.

In: the entries of `feeds` as they were written. Out: the dataclasses of feeds.py.
Must never: contact a receiver; quote a secret; let a feed have less of a mask than was meant.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.settings.feeds import DEFAULT_MASK, Feed, FeedTls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from proxy_addons.settings.feeds_kinds import WrittenFeed
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.read_table import Given

_KEY = "feeds"
_LEAST_SECRET = 16  # characters; names and addresses are few, a short key could be tried out
_NEEDS = {"syslog": "address", "https": "url", "file": "path"}
_MAY = {
    "syslog": {"address", "tls", "largest", "confirm", "resend", "enterprise"},
    "https": {"url", "tls", "token_env", "body"},
    "file": {"path"},
}


class FeedsBuilder:
    """Turns the entries of `feeds` into `Feed`.

    Args:
        given: a value for each key of the table.
        environ: holds the secrets.
        config_dir: relative paths of certificates are relative to it.
        data_dir: relative paths of files that are written are relative to it.
        known: the categories of all lists; None: they are not checked.
        report: takes the problems.
    """

    def __init__(
        self,
        given: Mapping[str, Given],
        environ: Mapping[str, str],
        config_dir: Path,
        data_dir: Path,
        known: Collection[str] | None,
        report: Report,
    ) -> None:
        self._given = given
        self._environ = environ
        self._config_dir = config_dir
        self._data_dir = data_dir
        self._known = known
        self._report = report

    def built(self) -> tuple[Feed, ...]:
        """`feeds`."""
        entries: tuple[WrittenFeed, ...] = self._given[_KEY].value or ()
        names: dict[str, WrittenFeed] = {}
        files: dict[Path, WrittenFeed] = {}
        found = []
        for entry in entries:
            first = names.setdefault(entry.name, entry)
            if first is not entry:
                message = f"{entry.name} is another feed's name already, see {first.place}"
                self._report.add(entry.place, f"{entry.place_key}.name", message)
            feed = self._feed(entry)
            if feed.path is not None and files.setdefault(feed.path, entry) is not entry:
                self._problem(entry, "path", f"{feed.path} is another feed's file already")
            found.append(feed)
        return tuple(found)

    def _feed(self, entry: WrittenFeed) -> Feed:
        self._fits(entry)
        return Feed(
            name=entry.name,
            kind=entry.kind,
            format=entry.format,
            host=entry.address.host if entry.address else "",
            port=entry.address.port if entry.address else 0,
            url=entry.url or "",
            path=self._path(entry.path, self._data_dir),
            tls=self._tls(entry),
            token=self._secret(entry, "token_env", entry.token_env, least=1),
            body=entry.body,
            mask=DEFAULT_MASK if entry.mask is None else tuple(r.rule() for r in entry.mask),
            mask_key=self._mask_key(entry),
            beginning=entry.beginning,
            records=entry.records,
            timeout=entry.timeout,
            largest=entry.largest,
            confirm=entry.confirm,
            resend=entry.resend,
            enterprise=entry.enterprise,
            behind=entry.behind,
        )

    def _fits(self, entry: WrittenFeed) -> None:
        needed = _NEEDS[entry.kind]
        if needed not in entry.given:
            self._problem(entry, needed, f"not given; a feed of the kind {entry.kind} needs it")
        for name in sorted(entry.given - _MAY[entry.kind]):
            self._problem(entry, name, f"has no meaning for the kind {entry.kind}; take it out")
        if entry.format == "rfc5424" and entry.kind != "syslog":
            message = f"rfc5424 is a form of syslog; for the kind {entry.kind} write ecs or ocsf"
            self._problem(entry, "format", message)
        for rule in entry.mask or ():
            for located in rule.categories or ():
                from_default = located.key.endswith(".mask")
                if self._known is None or located.text in self._known or from_default:
                    continue
                message = f"there is no category {located.text}: it would mask nothing"
                self._report.add(located.place, located.key, message)

    def _mask_key(self, entry: WrittenFeed) -> bytes:
        hashes = any(rule.deed == "hash" for rule in entry.mask or ())
        if hashes and entry.mask_key_env is None:
            message = "not given, and the mask says hash: name the variable that holds its key"
            self._problem(entry, "mask_key_env", message)
        if not hashes and entry.mask_key_env is not None:
            self._problem(entry, "mask_key_env", "of no effect: no rule of the mask says hash")
        return self._secret(entry, "mask_key_env", entry.mask_key_env, _LEAST_SECRET).encode()

    def _secret(self, entry: WrittenFeed, name: str, variable: str | None, least: int) -> str:
        if variable is None:
            return ""
        secret = self._environ.get(variable, "")
        if not secret:
            self._problem(entry, name, f"the environment variable {variable} is not set")
        elif not (secret.isascii() and secret.isprintable()) or " " in secret:
            # Neither the value nor its length is told.
            message = f"the environment variable {variable} holds spaces or unprintable characters"
            self._problem(entry, name, message)
        elif len(secret) < least:
            message = f"the environment variable {variable} holds less than {least} characters"
            self._problem(entry, name, message)
        return secret

    def _tls(self, entry: WrittenFeed) -> FeedTls:
        tls = FeedTls(
            ca_file=self._path(entry.ca_file, self._config_dir),
            certificate=self._path(entry.certificate, self._config_dir),
            key=self._path(entry.key, self._config_dir),
            name=entry.server_name or "",
        )
        if tls.key is not None and tls.certificate is None:
            self._problem(entry, "tls.key", "given without tls.certificate, whose key it would be")
        context = ssl.create_default_context()
        for name, path in (("ca_file", tls.ca_file), ("certificate", tls.certificate)):
            if path is None:
                continue
            try:
                if name == "ca_file":
                    context.load_verify_locations(cafile=str(path))
                else:
                    context.load_cert_chain(path, tls.key)
            except FileNotFoundError as problem:
                # The configuration is refused: it would fail later, with the records waiting.
                missing = problem.filename or (
                    path if tls.key is None or not path.exists() else tls.key
                )
                self._problem(entry, f"tls.{name}", f"there is no file {missing}")
            except OSError:
                # As above; ssl.SSLError, for files of another kind, is an OSError.
                self._problem(entry, f"tls.{name}", f"{path} cannot be used as such a PEM file")
        return tls

    @staticmethod
    def _path(written: str | None, base: Path) -> Path | None:
        if written is None:
            return None
        return Path(os.path.normpath(base / Path(written).expanduser()))

    def _problem(self, entry: WrittenFeed, name: str, message: str) -> None:
        self._report.add(entry.place, f"{entry.place_key}.{name}", message)


def odd(feeds: tuple[Feed, ...]) -> Iterator[tuple[str, str]]:
    """What is valid and worth a second thought: for `watchhouse check`.

    Yields:
        A dotted key and a sentence.
    """
    for feed in feeds:
        if not feed.mask:
            message = f"{feed.name} masks nothing: whole addresses and special categories leave"
            yield _KEY, message
        if feed.kind == "syslog" and feed.resend == 0:
            message = f"{feed.name}: what a receiver had read and not kept when it died is lost"
            yield _KEY, f"{message} (resend: 0)"


def secret_files(feeds: tuple[Feed, ...]) -> Iterator[Path]:
    """Files with keys of ours."""
    for feed in feeds:
        file = feed.tls.key or feed.tls.certificate
        if file is not None:
            yield file
