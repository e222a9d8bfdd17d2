"""Office documents that LibreOffice makes of texts of ours: marked at one place, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Where a marking stands in a document of ours.
PLACES = ("header", "footer", "first", "last", "title", "keywords", "custom", "table")

_NAMESPACES = (
    " ".join(
        f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for prefix, name in {
            "office": "office",
            "text": "text",
            "style": "style",
            "table": "table",
            "draw": "drawing",
            "presentation": "presentation",
            "meta": "meta",
            "number": "datastyle",
            "fo": "xsl-fo-compatible",
            "svg": "svg-compatible",
        }.items()
    )
    + ' xmlns:dc="http://purl.org/dc/elements/1.1/" office:version="1.3"'
)

PROSE = (
    "Operation Falcon begins at six in the yard behind the station.",
    "Officers bring boots, a torch and their notebooks; access to the yard is restricted.",
    "The briefing takes twenty minutes. Questions are for the end.",
    "Traffic on the High Street is stopped between seven and eight.",
    "Statements are given in confidence, and what is secret stays so.",
    "Lost property is handed in at the front desk.",
    "The van is back by noon, and its fuel card is in the box.",
    "Overtime is claimed on the usual form by Friday.",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One document: a file, what it is, and what its marking is.

    Attributes:
        path: of the file.
        file_type: that content/types.py would say.
        marking: as findings have it; empty: it has none.
        place: of `PLACES`.
    """

    path: Path
    file_type: str
    marking: str
    place: str


@dataclass(frozen=True, slots=True)
class Made:
    """The documents that there are, and how many there must be."""

    shapes: tuple[Shape, ...]
    least: int


@dataclass(frozen=True, slots=True)
class Text:
    """What a document says.

    Attributes:
        header: at the head of each page; of a slide at its upper edge.
        footer: at the foot.
        lines: of the text.
        table: rows before the text.
        properties: `title`, `keywords`, and others that are custom ones.
    """

    header: str = ""
    footer: str = ""
    lines: tuple[str, ...] = PROSE
    table: tuple[tuple[str, ...], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()


def marked(words: str, place: str, lines: tuple[str, ...] = PROSE) -> Text:
    """A document with a marking, as it is written, at a place."""
    match place:
        case "header":
            return Text(header=words, lines=lines)
        case "footer":
            return Text(footer=words, lines=lines)
        case "first":
            return Text(lines=(words, *lines))
        case "last":
            return Text(lines=(*lines, words))
        case "title" | "keywords":
            return Text(lines=lines, properties=((place, words),))
        case "custom":
            return Text(lines=lines, properties=(("Classification", words),))
        case _:
            return Text(lines=lines, table=(("Force", "Here"), ("Protective Marking", words)))


def _meta(text: Text) -> str:
    values = []
    for name, value in text.properties:
        if name == "title":
            values.append(f"<dc:title>{escape(value)}</dc:title>")
        elif name == "keywords":
            values.append(f"<meta:keyword>{escape(value)}</meta:keyword>")
        else:
            element = f"<meta:user-defined meta:name={quoteattr(name)}>"
            values.append(f"{element}{escape(value)}</meta:user-defined>")
    return f"<office:meta>{''.join(values)}</office:meta>"


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<text:p>{escape(line)}</text:p>" for line in lines)


def _rows(rows: Iterable[Iterable[str]]) -> str:
    return "".join(
        "<table:table-row>"
        + "".join(
            '<table:table-cell office:value-type="string">'
            f"<text:p>{escape(cell)}</text:p></table:table-cell>"
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )


def writer(text: Text) -> str:
    """As a text document (flat OpenDocument)."""
    header = f"<style:header>{_paragraphs([text.header])}</style:header>" if text.header else ""
    footer = f"<style:footer>{_paragraphs([text.footer])}</style:footer>" if text.footer else ""
    table = ""
    if text.table:
        columns = f'<table:table-column table:number-columns-repeated="{len(text.table[0])}"/>'
        table = f'<table:table table:name="T">{columns}{_rows(text.table)}</table:table>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document {_NAMESPACES} '
        'office:mimetype="application/vnd.oasis.opendocument.text">'
        f'{_meta(text)}<office:automatic-styles><style:page-layout style:name="L">'
        '<style:page-layout-properties fo:page-width="21cm" fo:page-height="29.7cm" '
        'fo:margin-top="2cm" fo:margin-bottom="2cm" fo:margin-left="2cm" fo:margin-right="2cm"/>'
        '<style:header-style><style:header-footer-properties fo:min-height="1cm"/>'
        "</style:header-style><style:footer-style><style:header-footer-properties "
        'fo:min-height="1cm"/></style:footer-style></style:page-layout></office:automatic-styles>'
        '<office:master-styles><style:master-page style:name="Standard" '
        f'style:page-layout-name="L">{header}{footer}</style:master-page></office:master-styles>'
        f"<office:body><office:text>{table}{_paragraphs(text.lines)}</office:text></office:body>"
        "</office:document>"
    )


def calc(text: Text) -> str:
    """As a workbook: a line is a row, with a number beside it, so that no line stands alone."""

    def region(name: str, words: str) -> str:
        centre = f"<style:region-center>{_paragraphs([words])}</style:region-center>"
        return f"<style:{name}>{centre}</style:{name}>"

    margins = "".join(
        region(name, words)
        for name, words in (("header", text.header), ("footer", text.footer))
        if words
    )
    rows = [*text.table, *((line,) for line in text.lines)]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document {_NAMESPACES} '
        'office:mimetype="application/vnd.oasis.opendocument.spreadsheet">'
        f'{_meta(text)}<office:automatic-styles><style:page-layout style:name="L">'
        "<style:page-layout-properties/><style:header-style><style:header-footer-properties "
        'fo:min-height="1cm"/></style:header-style><style:footer-style>'
        '<style:header-footer-properties fo:min-height="1cm"/></style:footer-style>'
        '</style:page-layout><style:style style:name="ta" style:family="table" '
        'style:master-page-name="Default"><style:table-properties table:display="true"/>'
        "</style:style>"
        '<style:style style:name="co" style:family="table-column">'
        '<style:table-column-properties style:column-width="6cm"/></style:style>'
        "</office:automatic-styles><office:master-styles>"
        '<style:master-page style:name="Default" style:page-layout-name="L">'
        f"{margins}</style:master-page></office:master-styles>"
        '<office:body><office:spreadsheet><table:table table:name="S" table:style-name="ta">'
        '<table:table-column table:style-name="co" table:number-columns-repeated="2"/>'
        f"{_rows(rows)}</table:table></office:spreadsheet></office:body></office:document>"
    )


def impress(text: Text) -> str:
    """As slides: three lines on each."""

    def frame(lines: Iterable[str], top: float, height: float) -> str:
        return (
            f'<draw:frame svg:x="1cm" svg:y="{top}cm" svg:width="25cm" svg:height="{height}cm">'
            f"<draw:text-box>{_paragraphs(lines)}</draw:text-box></draw:frame>"
        )

    lines = [*(": ".join(row) for row in text.table), *text.lines]
    pages = []
    for place in range(0, len(lines), 3):
        header = frame([text.header], 0.3, 1) if text.header else ""
        footer = frame([text.footer], 14.6, 1) if text.footer else ""
        pages.append(
            f'<draw:page draw:name="p{place}" draw:master-page-name="M">'
            f"{header}{frame(lines[place : place + 3], 4, 8)}{footer}</draw:page>"
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document {_NAMESPACES} '
        'office:mimetype="application/vnd.oasis.opendocument.presentation">'
        f'{_meta(text)}<office:automatic-styles><style:page-layout style:name="L">'
        '<style:page-layout-properties fo:page-width="28cm" fo:page-height="15.75cm"/>'
        "</style:page-layout></office:automatic-styles><office:master-styles>"
        '<style:master-page style:name="M" style:page-layout-name="L"/></office:master-styles>'
        f"<office:body><office:presentation>{''.join(pages)}</office:presentation></office:body>"
        "</office:document>"
    )


KINDS = {"writer": (writer, ".fodt"), "calc": (calc, ".fods"), "impress": (impress, ".fodp")}
"""Programs, what writes for them, and how such a file ends."""


def program() -> str | None:
    """LibreOffice; None: it is not here."""
    return shutil.which("soffice")


def convert(sources: list[Path], form: str, folder: Path) -> Iterator[Path]:
    """Has LibreOffice write files in another form.

    Args:
        sources: all of one program.
        form: how the files end, with a filter where LibreOffice needs to be told.
        folder: for the files, and for LibreOffice's own.

    Yields:
        The files, in the order of the sources.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    # As an address: with a blank in it LibreOffice waits for ever.
    profile = (home / "profile").as_uri()
    subprocess.run(
        ["soffice", f"-env:UserInstallation={profile}", "--headless", "--norestore",
         "--convert-to", form, "--outdir", str(folder), *map(str, sources)],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=600,
        env={**os.environ, "HOME": str(home)},
    )  # fmt: skip
    shutil.rmtree(home)
    suffix = "." + form.partition(":")[0]
    for source in sources:
        made = folder / (source.stem + suffix)
        assert made.exists(), f"LibreOffice made no {made.name}"
        yield made
