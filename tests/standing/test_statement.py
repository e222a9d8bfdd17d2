"""The statement: one version for one text, and HTML that can stand in any page."""

from __future__ import annotations

import hashlib
from html.parser import HTMLParser
from pathlib import Path
from typing import override

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy_addons.standing.statement import LARGEST, TITLE, Statement, StatementError

ALLOWED = {
    *("p", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "em", "strong", "code", "pre", "br"),
    *("hr", "blockquote", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {("a", "href"), ("a", "rel"), ("a", "title"), ("ol", "start"), ("code", "class")}


class Tags(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.targets: list[str] = []
        self.text = ""
        self.other = ""
        self.feed(html)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name) for name, _ in attrs]
        self.targets += [value or "" for name, value in attrs if name == "href"]

    @override
    def handle_data(self, data: str) -> None:
        self.text += data

    @override
    def handle_comment(self, data: str) -> None:
        self.other += data

    handle_decl = handle_pi = unknown_decl = handle_comment


def test_the_title_and_the_rest() -> None:
    made = Statement.of("# Use of the *web*\n\nYou **must** not.\n\n# More\n\n- a\n- b\n")
    assert made.title == "Use of the web"
    assert made.html == (
        "<p>You <strong>must</strong> not.</p>\n<h2>More</h2>\n"
        "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"
    )
    assert Statement.of("No heading.\n\n# Late\n").title == TITLE
    assert Statement.of("#\n\nx").title == TITLE
    assert Statement.of("A\nB `c`\n===\n").title == "A B c"


def test_the_version_is_the_texts() -> None:
    made = Statement.of("# A\n\nb\n")
    assert made.text == "# A\n\nb\n"
    assert made.digest == hashlib.sha256(b"# A\n\nb\n").hexdigest()
    assert made.version == made.digest[:12]
    for same in ("# A\r\n\r\nb\r\n", "\n\n# A\n\nb", "# A\r\rb  \n\n"):
        assert Statement.of(same) == made
    for other in ("# A\n\nB\n", "# A\n\nb.\n", "# A\n\n b\n"):
        assert Statement.of(other).version != made.version


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<!-- x -->",
        "<?php x ?>",
        "![x](https://evil.example/pixel.png)",
        "![x][y]\n\n[y]: https://evil.example/pixel.png",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java&#10;script:alert(1))",
        "[x](&#x6A;avascript:alert(1))",
        "<javascript:alert(1)>",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](/relative)",
        "[x](//evil.example/x)",
        "[x](?query)",
        "[x](file:///etc/passwd)",
        "[x](https://[)",
        '[x](https://a.example "\\"><script>")',
        '[x](https://a.example/"onmouseover="x)',
        '```"onclick="x\ncode\n```',
        "|a|\n|:-:|\n|b|",
        "<details open ontoggle=x>",
    ],
)
def test_no_markup_of_its_own(text: str) -> None:
    _is_harmless(Statement.of(text).html)


PIECES = st.sampled_from(
    [*"<>&\"'()[]!`*_#|:-\n \\", "https://a", "javascript:", "<b>", "![", "](", "]: ", "&lt;", "\t"]
)


@given(st.lists(PIECES | st.text(max_size=3), min_size=1, max_size=30).map("".join))
@example("[a]: javascript:x\n\n[a]")
@example('[a](https://a "<b>")')
def test_no_text_becomes_markup_of_its_own(text: str) -> None:
    try:
        made = Statement.of(text)
    except ValueError:
        assert not text.strip() or "\0" in text
        return
    _is_harmless(made.html)


def _is_harmless(html: str) -> None:
    found = Tags(html)
    assert set(found.tags) <= ALLOWED
    assert set(found.attributes) <= ATTRIBUTES
    assert found.other == ""
    for target in found.targets:
        assert target.lower().startswith(("https:", "http:", "mailto:"))


def test_links_to_the_web_and_to_mail_stay() -> None:
    html = Statement.of("[x](https://a.example/?b=1&c=2) <mailto:dpo@force.example>").html
    assert Tags(html).targets == ["https://a.example/?b=1&c=2", "mailto:dpo@force.example"]
    assert html.count('rel="noopener noreferrer"') == 2


def test_markup_is_shown_as_what_it_is() -> None:
    assert "<script>x</script>" in Tags(Statement.of("a <script>x</script>").html).text


def test_the_one_that_comes_with_it() -> None:
    made = Statement.load(Path(__file__).parents[2] / "config/statement.md")
    _is_harmless(made.html)
    assert made.title != TITLE
    assert "&lt;" not in made.html, "markup is shown as text: it would look wrong"


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "statement.md"
    path.write_bytes("\ufeff# Änderung\r\n\r\nText\r\n".encode())
    assert Statement.load(path) == Statement.of("# Änderung\n\nText\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"cannot be read: No such file.*personal_use\.acknowledgement\.statement"),
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"ok\nna\xefve", "line 2: this is not UTF-8; save"),
        (b"a\0b", "NUL"),
        (b"x" * (LARGEST + 1), "longer than 256 KiB; shorten"),
    ],
)
def test_no_statement(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "statement.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StatementError, match=f"statement.md.*{said}"):
        Statement.load(path)


def test_a_folder_is_no_statement(tmp_path: Path) -> None:
    with pytest.raises(StatementError, match="cannot be read"):
        Statement.load(tmp_path)
