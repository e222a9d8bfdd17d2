"""The acceptable-use statement: Markdown that people acknowledge (Inf/27 3.8).

In: a file. Out: its text, its version, HTML that can stand in a page of ours.
Must never: let through markup of its own, an image, a script, or a link to anything but a web or
mail address: the page it stands in is shown under the name of any site.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Self, override
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from proxy_addons.standing.problems import StandingError
from proxy_addons.standing.tables_shifts import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from markdown_it.token import Token

    from proxy_addons.settings.model import Paths
    from proxy_addons.settings.shifts import Acknowledgement

FILE: Final = "statement.md"
TITLE: Final = "Acceptable use"
LARGEST: Final = 256 * 1024  # bytes: a statement that nobody could read is a mistake
_SCHEMES: Final = frozenset({"http", "https", "mailto"})


class StatementError(StandingError):
    """The statement cannot be used; the text names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One version of the statement.

    Attributes:
        version: the first 12 digits of `digest`. Another text is another version, but for the
            kind of its line ends and space around it.
        digest: SHA-256 of the text, in hexadecimal.
        text: Markdown (CommonMark and tables).
        title: its first line, if that is a heading of the first level; plain text.
        html: all that follows the title, as HTML. Headings begin at the second level.
    """

    version: str
    digest: str
    text: str
    title: str
    html: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            StatementError: there is no such text.
        """
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as problem:
            # Nothing can be acknowledged; whoever asks decides what that means.
            msg = (
                f"{path}: the acceptable-use statement cannot be read: {problem.strerror}. Put it"
                " there, or name another file in personal_use.acknowledgement.statement"
            )
            raise StatementError(msg) from problem
        if len(content) > LARGEST:
            msg = (
                f"{path}: the acceptable-use statement is longer than {LARGEST // 1024} KiB;"
                " shorten it"
            )
            raise StatementError(msg)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            # As above.
            line = content[: problem.start].count(b"\n") + 1
            msg = f"{path}, line {line}: this is not UTF-8; save the file as UTF-8"
            raise StatementError(msg) from problem
        try:
            return cls.of(text)
        except ValueError as problem:
            # As above.
            raise StatementError(f"{path}: {problem}") from problem

    @classmethod
    def of(cls, text: str) -> Self:
        """Make one of Markdown.

        Raises:
            ValueError: the text is empty, or holds a character that no store can keep.
        """
        text = text.replace("\r\n", "\n").replace("\r", "\n").strip() + "\n"
        if not text.strip():
            # Nothing is made.
            msg = "the acceptable-use statement is empty"
            raise ValueError(msg)
        if "\0" in text:
            # As above: PostgreSQL keeps none.
            msg = "the acceptable-use statement has a NUL character; take it out"
            raise ValueError(msg)
        digest = hashlib.sha256(text.encode()).hexdigest()
        title, html = _rendered(text)
        return cls(digest[:VERSION], digest, text, title, html)


def path_of(settings: Acknowledgement, paths: Paths) -> Path:
    """The file of the statement: as the settings name it, else beside watchhouse.yaml."""
    return settings.statement or paths.config_dir / FILE


class _Markdown(MarkdownIt):
    """CommonMark with tables; markup in the text is shown as text."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable("table")
        self.disable("image")

    @override
    def validateLink(self, url: str, validator: Callable[[str], bool] | None = None) -> bool:
        # A relative link would lead somewhere on the site under whose name the page is shown.
        try:
            return urlsplit(url).scheme.lower() in _SCHEMES
        except ValueError:
            # No address: it stays text.
            return False


@cache
def _markdown() -> _Markdown:
    return _Markdown()


def _rendered(text: str) -> tuple[str, str]:
    """The title, and the rest as HTML."""
    markdown = _markdown()
    tokens = markdown.parse(text)
    title = TITLE
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        title = _plain(tokens[1]) or TITLE
        del tokens[:3]  # its beginning, text and end
    for token in tokens:
        _adapt(token)
    html: str = markdown.renderer.render(tokens, markdown.options, {})
    return title, html


def _adapt(token: Token) -> None:
    if token.tag == "h1":
        token.tag = "h2"  # the page's own heading is the title
    # How a table's column is aligned comes as a style, which no page of ours permits.
    token.attrs.pop("style", None)
    for child in token.children or ():
        if child.type == "link_open":
            child.attrSet("rel", "noopener noreferrer")


def _plain(inline: Token) -> str:
    """The text of a heading, without its markup."""
    kept = {"text", "code_inline", "text_special"}
    return "".join(
        " " if each.type in {"softbreak", "hardbreak"} else each.content
        for each in inline.children or ()
        if each.type in kept or each.type.endswith("break")
    ).strip()
