"""Reads a squidGuard.conf: its grammar (squidGuard 1.6, sg.y), by descent.

In: the text of a file. Out: a `Conf`.
Must never: take what squidGuard would not: its own way with a wrong file is to pass everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.blocks import Blocks
from proxy_addons.settings.squidguard.model import Conf
from proxy_addons.settings.squidguard.of_access import DEFAULT, read_acl
from proxy_addons.settings.squidguard.of_destinations import read_destination, read_rewrite
from proxy_addons.settings.squidguard.of_sources import read_source
from proxy_addons.settings.squidguard.of_times import read_time
from proxy_addons.settings.squidguard.tokens import GrammarError, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GrammarError", "read_conf"]

# Settings, and what is in their place; nothing where nothing is lost.
_SETTINGS: Final = {
    "logdir": "",
    "syslog": "see feeds in docs/feeds.md",
    "groupttl": "",
    "ldapcachetime": "see directory in docs/configuration.md",
    "ldapprotover": "see directory in docs/configuration.md",
    "ldapbinddn": "see directory in docs/configuration.md",
    "ldapbindpass": "see directory in docs/configuration.md",
    "mysqlusername": "",
    "mysqlpassword": "",
    "mysqldb": "",
}
_BLOCKS: Final[dict[str, Callable[[Blocks], None]]] = {
    **dict.fromkeys(("dest", "destination"), read_destination),
    **dict.fromkeys(("src", "source"), read_source),
    **dict.fromkeys(("rew", "rewrite"), read_rewrite),
    "time": read_time,
    "acl": read_acl,
}


def read_conf(text: str, name: str) -> Conf:
    """Read a configuration.

    Args:
        text: of the file.
        name: how messages name it.

    Raises:
        GrammarError: squidGuard would not take it; with file and line.
    """
    it = Blocks(Tokens(text, name), Conf(name))
    tokens, conf = it.tokens, it.conf
    while (token := tokens.next()).text:
        word = token.text
        if token.is_quoted or not token.first:
            raise it.unexpected(token, "a block or a setting at the beginning of a line")
        if word in _BLOCKS:
            _BLOCKS[word](it)
        elif word == "dbhome":
            conf.dbhome = tokens.address("a folder").text
        elif word in _SETTINGS:
            tokens.address("a value")
            if instead := _SETTINGS[word]:
                it.leave(token, f"the setting {word}", instead)
        else:
            raise it.unexpected(token, "dbhome, logdir, time, src, dest, rew or acl")
    if not any(access.source == DEFAULT for access in conf.access):
        raise tokens.problem("no acl has a block default; squidGuard needs one")
    _check_names(it)
    for last in [*conf.sources.values()][-1:]:
        # squidGuard has nothing to go on to then, not even the default ACL: what it passes passes.
        last.goes_on = False
    return conf


def _check_names(it: Blocks) -> None:
    conf = it.conf
    places = [
        *((each.timed, each.line) for each in conf.sources.values()),
        *((each.timed, each.line) for each in conf.destinations.values()),
        *((each.timed, each.line) for each in conf.access),
    ]
    for timed, line in places:
        if timed.space and timed.space not in conf.spaces:
            raise it.tokens.problem(f"there is no time {quoted(timed.space)}", line)
    for access in conf.access:
        if access.source not in {DEFAULT, *conf.sources}:
            message = f"there is no source {quoted(access.source)}"
            raise it.tokens.problem(message, access.line)
        for name, _, line in access.passes or ():
            special = name in {"any", "all", "none", "in-addr"} or name.startswith("dnsbl")
            if not special and name not in conf.destinations:
                raise it.tokens.problem(f"there is no destination {quoted(name)}", line)
