"""Documents that are marked: ways to write a marking, places for it, forms of a document.

In: LibreOffice. Out: shapes with the marking that each has.
Must never: count a place that a form does not have: a text file has no head of pages.
"""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

from support.documents import KINDS, PLACES, PROSE, Shape, convert, marked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAYS: Final = (
    ("OFFICIAL-SENSITIVE", "official-sensitive"),
    ("OFFICIAL - SENSITIVE", "official-sensitive"),
    ("OFFICIAL \u2013 SENSITIVE", "official-sensitive"),
    ("OFFICIAL SENSITIVE", "official-sensitive"),
    ("Official-Sensitive", "official-sensitive"),
    ("OFFICIAL: SENSITIVE", "official-sensitive"),
    ("OFFSEN", "official-sensitive"),
    ("OFFICIAL-SENSITIVE [PERSONAL]", "official-sensitive"),
    ("OFFICIAL-SENSITIVE \u2013 COMMERCIAL", "official-sensitive"),
    ("OFFICIAL-SENSITIVE PERSONAL DATA", "official-sensitive"),
    ("OFFICIAL-SENSITIVE RECIPIENTS ONLY", "official-sensitive"),
    ("RESTRICTED", "restricted"),
    ("Restricted", "restricted"),
    ("RESTRICTED \u2013 INVESTIGATIONS", "restricted"),
    ("RESTRICTED (when complete)", "restricted"),
    ("*** RESTRICTED ***", "restricted"),
    ("R E S T R I C T E D", "restricted"),
    ("NATO RESTRICTED", "restricted"),
    ("CONFIDENTIAL", "confidential"),
    ("CONFIDENTIAL - STAFF", "confidential"),
    ("UK CONFIDENTIAL", "confidential"),
    ("PROTECT", "protect"),
    ("PROTECT \u2013 PERSONAL", "protect"),
    ("SECRET", "secret"),
    ("SECRET \u2013 UK EYES ONLY", "secret"),
    ("UK SECRET", "secret"),
    ("TOP SECRET", "top-secret"),
    ("TOP SECRET STRAP 2", "top-secret"),
    ("UK EYES ONLY", "caveat"),
)
"""As people write them, and what they are."""


def by_design(words: str, place: str) -> bool:
    """Whether the rules take these for no marking there, though they may be one.

    "Restricted" heads a paragraph, PROTECT is a word of other strategies: both count only at the
    head and foot of pages, behind a label, and in properties that are named for it. Spaced words
    in brackets are nobody's name of a file.
    """
    weak = {"Restricted", "PROTECT"}
    return words in weak or (words, place) == ("R E S T R I C T E D", "name")


_TEXT: Final = ("first", "last", "table")
FORMS: Final = {
    "writer": {
        "docx": ("document", PLACES),
        "odt": ("document", PLACES),
        "doc": ("document", PLACES),
        "rtf": ("document", PLACES),
        "pdf": ("pdf", tuple(place for place in PLACES if place != "custom")),
        "html": ("web-page", PLACES),
        "txt:Text (encoded):UTF8": ("text", _TEXT),
        "epub": ("document", _TEXT),
    },
    "calc": {
        "xlsx": ("document", PLACES),
        "ods": ("document", PLACES),
        "xls": ("document", PLACES),
        "pdf": ("pdf", tuple(place for place in PLACES if place != "custom")),
        "csv": ("text", ("first", "last")),
    },
    "impress": {
        "pptx": ("document", PLACES),
        "odp": ("document", PLACES),
        "ppt": ("document", PLACES),
        "pdf": ("pdf", tuple(place for place in PLACES if place != "custom")),
    },
}
"""Of each program: how files end, what they are, and the places that such a file has."""


def made(folder: Path) -> Iterator[tuple[str, Shape, str]]:
    """Marked documents.

    Yields:
        The form, the document, and the words of its marking.
    """
    for kind, (write, suffix) in KINDS.items():
        sources: dict[str, tuple[Path, int]] = {}
        for number, (words, _) in enumerate(WAYS):
            for place in PLACES:
                source = folder / f"{kind}-{place}-{number}{suffix}"
                source.write_text(write(marked(words, place)), encoding="utf-8")
                sources[source.stem] = (source, number)
        for form, (file_type, places) in FORMS[kind].items():
            wanted = [path for path, _ in sources.values() if path.stem.split("-")[1] in places]
            name = f"{form.partition(':')[0]} ({kind})"
            for path in convert(wanted, form, folder / f"{kind}-{form.partition(':')[0]}"):
                words, marking = WAYS[sources[path.stem][1]]
                yield name, Shape(path, file_type, marking, path.stem.split("-")[1]), words


MAIL_PLACES: Final = ("subject", "first", "last", "header of ours", "html", "attached", "name")


def mails(folder: Path) -> Iterator[tuple[str, Shape, str]]:
    """Marked e-mails."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (words, marking) in enumerate(WAYS):
        for place in MAIL_PLACES:
            path = folder / f"mail-{place}-{number}.eml"
            path.write_bytes(_mail(words, place).as_bytes())
            yield "eml", Shape(path, "e-mail", marking, place), words


def _mail(words: str, place: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "jo@example.com"
    mail["Subject"] = f"{words} - Operation Falcon" if place == "subject" else "Operation Falcon"
    if place == "header of ours":
        mail["X-Protective-Marking"] = words
    lines = list(PROSE)
    if place == "first":
        lines.insert(0, words)
    elif place == "last":
        lines.append(words)
    mail.set_content("\n\n".join(lines))
    if place == "html":
        paragraphs = "".join(f"<p>{line}</p>" for line in (words, *PROSE))
        mail.add_alternative(f"<html><body>{paragraphs}</body></html>", subtype="html")
    elif place == "attached":
        text = "\n".join((words, *PROSE))
        mail.add_attachment(text.encode(), "text", "plain", filename="briefing.txt")
    elif place == "name":
        mail.add_attachment(b"\x89PNG", "image", "png", filename=f"Op Falcon ({words}).png")
    return mail
