"""The `dest` and `rew` blocks of a squidGuard.conf: lists of addresses, and their rewriting.

In: tokens. Out: `Destination`.
Must never: open a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.model import Destination

if TYPE_CHECKING:
    from proxy_addons.settings.squidguard.blocks import Blocks

_LISTS: Final = {
    "domainlist": "domains",
    "urllist": "urls",
    "expressionlist": "expressions",
}


def read_destination(it: Blocks) -> None:
    """Read one, its first word read already."""
    name = it.tokens.word("the name of a destination")
    if name.text in it.conf.destinations:
        message = f"the destination {quoted(name.text)} is given twice"
        raise it.tokens.problem(message, name.line)
    found = it.conf.destinations[name.text] = Destination(name.text, name.line)
    it.tokens.need("{")
    while (token := it.inner()) is not None:
        word = token.text
        if word in _LISTS:
            path = it.tokens.address("a file").text
            if word == "expressionlist" and path in {"i", "c"}:
                path = it.tokens.address("a file").text
            if path == "-":
                path = f"dest/{name.text}/{word}"
            found.lists[_LISTS[word]] = (path, token.line)
        elif word == "redirect":
            found.redirect = it.tokens.address("an address").text
        elif word == "rewrite":
            rule = it.tokens.word("the name of a rewrite").text
            it.leave(token, f"rewrite {quoted(rule)}", "addresses are not rewritten")
        elif word in {"within", "outside"}:
            found.timed = it.timed(word)
        elif word in {"log", "logfile"}:
            it.log(token)
        else:
            raise it.unexpected(token, "domainlist, urllist, expressionlist, redirect or }")


def read_rewrite(it: Blocks) -> None:
    """Read one, its first word read already."""
    name = it.tokens.word("the name of a rewrite")
    it.tokens.need("{")
    while True:
        found = it.tokens.substitution()
        if found is not None:
            continue
        token = it.inner()
        if token is None:
            break
        if token.text in {"within", "outside"}:
            it.timed(token.text)
        elif token.text in {"log", "logfile"}:
            it.log(token)
        else:
            raise it.unexpected(token, "s@from@to@ or }")
    it.leave(name, f"the rewrite {quoted(name.text)}", "addresses are not rewritten")
