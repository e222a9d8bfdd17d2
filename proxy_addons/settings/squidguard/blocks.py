"""What all blocks of a squidGuard.conf have in common.

In: tokens, the configuration as far as it is read. Out: beginnings, words and ends of blocks.
Must never: know what any of them means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.model import Left, Timed

if TYPE_CHECKING:
    from proxy_addons.settings.squidguard.model import Conf
    from proxy_addons.settings.squidguard.tokens import GrammarError, Token, Tokens


class Blocks:
    """Reads blocks of one file.

    Attributes:
        tokens: of the file.
        conf: what was read.
    """

    def __init__(self, tokens: Tokens, conf: Conf) -> None:
        self.tokens, self.conf = tokens, conf

    def unexpected(self, token: Token, wanted: str) -> GrammarError:
        """An error: another token than the wanted one."""
        found = quoted(token.text) if token.text else "the end of the file"
        return self.tokens.problem(f"found {found}; wanted {wanted}", token.line)

    def leave(self, token: Token, what: str, instead: str) -> None:
        """Note something that is not translated."""
        self.conf.left.append(Left(token.line, what, instead))

    def begin[T](self, what: str, known: dict[str, T]) -> Token:
        """The name of a block, which must be new, and its bracket."""
        name = self.tokens.word(f"the name of a {what}")
        if name.text in known:
            raise self.tokens.problem(f"the {what} {quoted(name.text)} is given twice", name.line)
        self.tokens.need("{")
        return name

    def inner(self) -> Token | None:
        """The next word of a block; None at its end."""
        token = self.tokens.next()
        if token.text == "}" and not token.is_quoted:
            return None
        if not token.text:
            raise self.unexpected(token, "}")
        return token

    def timed(self, word: str) -> Timed:
        """A time space that has to hold, or not to hold."""
        space = self.tokens.word("the name of a time").text
        return Timed(space, outside=word == "outside")

    def log(self, token: Token) -> None:
        """What follows `log`."""
        while self.tokens.peek().text in {"anonymous", "verbose"}:
            self.tokens.next()
        self.tokens.address("a file")
        self.leave(token, "log", "Watchhouse's access log has every request that it carries")
