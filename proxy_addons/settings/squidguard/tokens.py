"""squidGuard.conf as words.

In: the text of a file. Out: tokens with their lines.
Must never: run over the end of a line where squidGuard does not.

squidGuard's scanner takes the same for different things by where it stands; so what follows
`redirect`, `execuserlist` and their like is asked for as it is needed (`rest_of_word`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy_addons.settings.problems import quoted

_SPACE: Final = re.compile(r"(?:[ \t\r]+|#[^\n]*)+")
_WORD: Final = re.compile(r'[^\s{}!,#"]+')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|\n|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "\n": ""}
_SUBSTITUTION: Final = re.compile(r"s@((?:\\@|[^@\n])+)@((?:\\@|[^@\n])*)@([girR]*)")
_ADDRESS: Final = re.compile(r"[^\s#]+")
_TO_THE_END: Final = re.compile(r"[^\n]*")


class GrammarError(Exception):
    """The file is none that squidGuard would take; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or one of `{`, `}`, `!` and `,`; empty at the end of the file.

    Attributes:
        text: without quotes.
        line: from 1.
        is_quoted: whether it stood in quotes: then it is no keyword.
        first: whether it is the first on its line.
    """

    text: str
    line: int
    is_quoted: bool = False
    first: bool = False


class Tokens:
    """Gives the tokens of a file, one after the other.

    Args:
        text: of the file.
        name: how messages name it.
    """

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._place, self._line = 0, 1
        self._peeked: tuple[Token, int, int] | None = None

    def problem(self, message: str, line: int | None = None) -> GrammarError:
        """An error to be raised, at the present line or another."""
        return GrammarError(f"{self._name}:{line or self._line}: {message}")

    def peek(self) -> Token:
        """The next token; it stays."""
        if self._peeked is None:
            before = self._place, self._line
            token = self._read()
            self._peeked = token, self._place, self._line
            self._place, self._line = before
        return self._peeked[0]

    def next(self) -> Token:
        """The next token."""
        token = self.peek()
        assert self._peeked is not None
        _, self._place, self._line = self._peeked
        self._peeked = None
        return token

    def need(self, text: str) -> Token:
        """The next token, which must be this one.

        Raises:
            GrammarError: it is another one.
        """
        token = self.next()
        if token.text != text or token.is_quoted:
            found = quoted(token.text) if token.text else "the end of the file"
            raise self.problem(f"found {found}; wanted {text}", token.line)
        return token

    def word(self, what: str) -> Token:
        """The next token, which must be a word or a text in quotes.

        Raises:
            GrammarError: it is none.
        """
        token = self.next()
        if not token.is_quoted and token.text in {"", "{", "}", "!", ","}:
            found = quoted(token.text) if token.text else "the end of the file"
            raise self.problem(f"found {found}; wanted {what}", token.line)
        return token

    def address(self, what: str) -> Token:
        """What stands up to the next space: an address, in which `!` and `,` are letters."""
        self._skip()
        if self._text.startswith('"', self._place):
            return self.word(what)
        return self._match(_ADDRESS, what)

    def rest_of_line(self) -> Token:
        """What stands up to the end of the line."""
        self._peeked = None
        return self._match(_TO_THE_END, "")

    def substitution(self) -> tuple[str, str, str] | None:
        """`s@from@to@flags`, where that comes next."""
        self._skip()
        found = _SUBSTITUTION.match(self._text, self._place)
        if found is None:
            return None
        self._peeked = None
        self._place = found.end()
        return found[1], found[2], found[3]

    def _match(self, pattern: re.Pattern[str], what: str) -> Token:
        self._peeked = None
        found = pattern.match(self._text, self._place)
        if found is None:
            raise self.problem(f"wanted {what}")
        self._place = found.end()
        return Token(found[0].strip(), self._line)

    def _skip(self) -> bool:
        """Leave out space, comments and ends of lines; whether the line is another one then."""
        first = self._place == 0
        while True:
            found = _SPACE.match(self._text, self._place)
            if found is not None:
                self._place = found.end()
            if not self._text.startswith("\n", self._place):
                return first
            self._place += 1
            self._line += 1
            first = True

    def _read(self) -> Token:
        first = self._skip()
        if self._place >= len(self._text):
            return Token("", self._line)
        line = self._line
        sign = self._text[self._place]
        if sign in "{}!,":
            self._place += 1
            return Token(sign, line, first=first)
        if sign == '"':
            found = _QUOTED.match(self._text, self._place)
            if found is None:
                raise self.problem("a quote that is not closed")
            self._place = found.end()
            self._line += found[0].count("\n")
            return Token(_ESCAPE.sub(_unescaped, found[1]), line, is_quoted=True, first=first)
        found = _WORD.match(self._text, self._place)
        if found is None:  # a form feed or the like
            raise self.problem(f"found {quoted(sign)}, which means nothing here")
        self._place = found.end()
        return Token(found[0], line, first=first)


def _unescaped(found: re.Match[str]) -> str:
    text = found[1]
    if text[0] == "x" and len(text) == 3:
        return chr(int(text[1:], 16))
    return _ESCAPES.get(text, text)
