"""The `acl` block of a squidGuard.conf: what whom is passed.

In: tokens. Out: `Access`, one for each block of it.
Must never: read another order out of it than it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.model import Access, Timed

if TYPE_CHECKING:
    from proxy_addons.settings.squidguard.blocks import Blocks

DEFAULT: Final = "default"


def read_acl(it: Blocks) -> None:
    """Read it, its first word read already."""
    it.tokens.need("{")
    while (token := it.inner()) is not None:
        if token.text in {"{", "!", ","} and not token.is_quoted:
            raise it.unexpected(token, "the name of a source, or default")
        timed = Timed()
        if it.tokens.peek().text in {"within", "outside"}:
            timed = it.timed(it.tokens.next().text)
        _access(it, Access(token.text, token.line, timed))
        if it.tokens.peek().text == "else":
            line = it.tokens.next().line
            _access(it, Access(token.text, line, timed, is_else=True))


def _access(it: Blocks, access: Access) -> None:
    it.conf.access.append(access)
    it.tokens.need("{")
    while (token := it.inner()) is not None:
        word = token.text
        if word in {"pass", "next"}:
            access.passes = [*(access.passes or ()), *_passes(it)]
            if word == "next":
                it.leave(token, "next: what it passes is final now", "repeat it in the other acl")
        elif word == "redirect":
            access.redirect = it.tokens.address("an address").text
            if access.redirect == DEFAULT:
                access.redirect = ""
        elif word == "rewrite":
            rule = it.tokens.word("the name of a rewrite").text
            if rule != "none":
                it.leave(token, f"rewrite {quoted(rule)}", "addresses are not rewritten")
        elif word in {"log", "logfile"}:
            it.log(token)
        else:
            raise it.unexpected(token, "pass, redirect, rewrite or }")


def _passes(it: Blocks) -> list[tuple[str, bool, int]]:
    found = []
    allowed = True
    ends = {"}", "{", "", "pass", "next", "redirect", "rewrite", "log", "logfile"}
    while (token := it.tokens.peek()).is_quoted or token.text not in ends:
        it.tokens.next()
        if token.text == "," and not token.is_quoted:
            continue
        if token.text == "!" and not token.is_quoted:
            allowed = False
            continue
        found.append((token.text, allowed, token.line))
        allowed = True
    if not allowed:
        raise it.unexpected(it.tokens.peek(), "the name of a destination after !")
    return found
