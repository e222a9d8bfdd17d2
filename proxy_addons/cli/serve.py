"""`watchhouse serve`: prepare what is missing, start gateway and portal, say what to do next.

In: command line, configuration. Out: a running gateway until Ctrl-C or SIGTERM.
Must never: start with a configuration, authority or index that is not sound.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.progress import TaskID

from proxy_addons.categorisation import CategoryError, SourceFolders, ensure_index
from proxy_addons.cli import common
from proxy_addons.engine import listening, operations
from proxy_addons.engine.authority import AuthorityError, load_or_make, now_utc
from proxy_addons.engine.parts import Sockets
from proxy_addons.engine.sockets import ListenError, listen
from proxy_addons.engine.supervisor import AlreadyRunning, Supervisor
from proxy_addons.rights import account
from proxy_addons.rights.certificate import CertificateError, read_pair
from proxy_addons.rights.confine import harden
from proxy_addons.settings.load import MAIN_FILE, POLICY_FILE
from proxy_addons.settings.packs import FOLDER as PACKS
from proxy_addons.standing import StandingError, StandingUnavailableError
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.supervisor")

_OK, _CANNOT = 0, 78  # 78: EX_CONFIG of sysexits.h; systemd is told not to restart on it


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="start the gateway and the portal",
        description="Start the gateway and the portal. Ctrl-C lets exchanges end, then stops.",
    )
    common.add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    overrides = common.overrides_of(args)
    operations.set_up("supervisor", overrides)
    # With the categories of all lists: a rule that names one that no list has would never match.
    settings = common.examined(args, known_categories=common.known_categories).settings
    paths = settings.paths
    console = Console(stderr=True, highlight=False)
    try:
        found = account.account_for(settings.run_as)
        # Before root is given up, since ports below 1024 need it. Otherwise not before the index is
        # ready: browsers would wait for us instead of going to the other gateway.
        listeners = _listen(settings) if found else None
        _give_up_root(settings, found, console)
        paths.data_dir.mkdir(parents=True, exist_ok=True, mode=account.DATA_MODE)
        load_or_make(paths.ca_dir, settings.page.organisation, now_utc())
        _ready_certificate(settings, console)
        _ensure_index(settings, console)
        standing_is_sound = _ensure_standing(settings, console)
        sockets = listeners or _listen(settings)
        return asyncio.run(
            Supervisor(
                settings,
                overrides,
                lambda bound: _ready(settings, bound),
                None if standing_is_sound else lambda: _standing_at_last(settings),
            ).run(sockets)
        )
    except (
        AuthorityError,
        ListenError,
        AlreadyRunning,
        CategoryError,
        CertificateError,
        StandingError,
        account.PrivilegeError,
        OSError,
    ) as problem:
        # Nothing serves yet: say what is wrong and how to mend it, and end.
        console.print(f"watchhouse: {problem}", style="red", markup=False)
        return _CANNOT


def _listen(settings: Settings) -> Sockets:
    """Listening sockets of the proxy, one for each worker at each address, and of the portal."""
    where = settings.listen
    return Sockets(
        proxy=[listen(end, where.workers) for end in where.proxy],
        portal=[listen(end, 1)[0] for end in where.portal],
        proxy_tls=[listen(end, where.workers) for end in where.proxy_tls],
        portal_tls=[listen(end, 1)[0] for end in where.portal_tls],
    )


def _ready_certificate(settings: Settings, console: Console) -> None:
    """See that listeners with TLS have something sound to show.

    Raises:
        CertificateError, AuthorityError: they have not. Nothing is started.
    """
    if not listening.needed(settings):
        return
    now = now_utc()
    listening.ensure_leaf(settings, now)
    chain, key = settings.listening_files
    pair = read_pair(chain, key)
    if chain == settings.paths.listening_leaf:
        return  # ours: it is renewed in time
    for warning in pair.warnings(settings.listen.certificate.names, now):
        console.print(f"watchhouse: {chain} {warning}", style="yellow", markup=False)


def _give_up_root(settings: Settings, found: account.Account | None, console: Console) -> None:
    """Become the user that the settings name, and give up what nobody needs.

    Raises:
        PrivilegeError, OSError: nothing is started.
    """
    paths = settings.paths
    if found is not None:
        account.give_data_folder(paths.data_dir, found)
        account.become(found)
        files = [paths.config_dir / name for name in (MAIN_FILE, POLICY_FILE)]
        files += sorted((paths.config_dir / PACKS).glob("*.yaml"))
        certificate = settings.listen.certificate
        read = [settings.tls.trusted_ca_file, certificate.chain, certificate.key]
        account.check_reach(
            found,
            paths.data_dir,
            [paths.config_dir, *files, paths.categories_dir, *(each for each in read if each)],
        )
    elif account.is_root():
        console.print(
            "watchhouse: running as root. For more than a trial make a user for it (adduser "
            f"--system --group {account.DEFAULT_USER}); started as root again, the gateway then "
            "becomes that user. Or name another in run_as.",
            style="yellow",
            markup=False,
        )
    harden()


def _ensure_standing(settings: Settings, console: Console) -> bool:
    """A store of exemptions and withdrawals in the form that this version knows.

    Returns:
        Whether it is there; if not, it does not answer.

    Raises:
        StandingError: it is of another form and cannot be brought into this one. Nothing is
            started.
    """
    try:
        migrate(settings.standing, settings.paths)
    except StandingUnavailableError as problem:
        # It may well have that form. The workers let nothing through until they have read it.
        console.print(f"watchhouse: {problem}", style="yellow", markup=False)
        return False
    return True


def _standing_at_last(settings: Settings) -> bool:
    """The same once more, while the workers wait; whether nothing is left to do."""
    try:
        migrate(settings.standing, settings.paths)
    except StandingUnavailableError:
        return False  # said at the start, and by each worker; tried again
    except StandingError as problem:
        # Workers go on refusing what they cannot read; an operator has to look at it.
        logger.error("%s", problem)
        return True
    logger.info("the standing store has the form that this version knows")
    return True


def _ensure_index(settings: Settings, console: Console) -> None:
    """An index that fits the lists; compiled, with progress, where there is none.

    Raises:
        CategoryError: there is none and none can be made. Nothing is started.
    """
    folders = SourceFolders(settings.paths.categories_dir, settings.paths.imported_lists_dir)
    with ProgressBar(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        ensured = ensure_index(folders, settings.paths.index_file, progress=progress)
    if ensured.stale:
        console.print(f"watchhouse: {ensured.stale}", style="yellow", markup=False)


def _ready(settings: Settings, bound: Mapping[str, Sequence[str]]) -> None:
    """Everything serves: leave the addresses for scripts, and tell the person what to do."""
    addresses = settings.paths.run_dir / "addresses.json"
    fresh = addresses.with_suffix(".new")
    fresh.write_text(json.dumps(bound))
    fresh.replace(addresses)
    print(next_steps(settings.paths.ca_dir / "ca.pem", bound), flush=True)


def next_steps(authority: Path, bound: Mapping[str, Sequence[str]]) -> str:
    """What to do now that it runs, for a person at a terminal.

    Args:
        authority: file of the inspection authority's certificate.
        bound: addresses, `host:port`, by the name of the setting: `proxy`, `portal`, `proxy_tls`,
            `portal_tls`.
    """
    proxies, portals = bound["proxy"], bound["portal"]
    by_tls = "".join(f", by TLS {each}" for each in bound.get("proxy_tls", ()))
    proxy, portal = _local(proxies[0]), _local(portals[0])
    curl = f"curl --proxy http://{proxy}"
    trusting = f"{curl} --cacert {shlex.quote(_short(authority))}"
    return f"""
Watchhouse is running.

  Gateway   {", ".join(proxies)}{by_tls}
  Portal    http://{portal}/
  PAC file  http://{portal}/proxy.pac        (give this address to the browser)
  CA        http://{portal}/ca.pem           (the browser must trust it; how: http://{portal}/ca)

Try it:

  {curl} http://portal.hotmail.com/                 # webmail: refused, with a page
  {trusting} https://www.gov.uk/       # government: passes
  {trusting} https://www.amazon.co.uk/ # shopping: in a break or out of hours

Ctrl-C stops it.
"""


def _local(address: str) -> str:
    """An address as somebody on this machine reaches it."""
    host, _, port = address.rpartition(":")
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host) + f":{port}"  # noqa: S104 - compared, not bound to


def _short(path: Path) -> str:
    """The path as seen from here, when that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


if __name__ == "__main__":
    sys.exit("use: watchhouse serve")
