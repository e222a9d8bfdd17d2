"""Target: documents that are sent, read for their markings.

A document gives parts, or cannot be read; nothing is fetched, and nothing takes long.

In: a document; of office files one member. Out: nothing, or a finding.
Must never: hold for another kind of document than the gateway's examiner meets.
"""

from __future__ import annotations

import io
import re
import zipfile
from email.message import EmailMessage
from typing import Final

from proxy_addons.content.documents import Limits, findings_of
from proxy_addons.policy.findings import MARKING, SENDS, VALUES, parted

_LIMITS: Final = Limits(text=1 << 20, unpacked=4 << 20, members=200)
_TYPES: Final = ("text", "web-page", "e-mail", "pdf", "document", "data")
_WORD: Final = (
    b'<w:hdr xmlns:w="w"><w:tbl><w:tr><w:tc><w:p><w:r><w:rPr><w:caps/></w:rPr><w:t>secret</w:t>'
    b"<w:tab/></w:r></w:p></w:tc></w:tr></w:tbl></w:hdr>"
)
_SHEET: Final = (
    b'<worksheet><row><c t="s"><v>0</v></c><c><v>1</v></c></row><headerFooter><oddHeader>'
    b'&amp;C&amp;"Arial"RESTRICTED &amp;P</oddHeader></headerFooter></worksheet>'
)
_OPEN: Final = (
    b'<o xmlns:s="s"><s:header><p>SECRET<s c="3"/></p></s:header><page><frame y="0.3cm"><p>x</p>'
    b"</frame></page><table-row><table-cell><p>Marking</p></table-cell></table-row></o>"
)
_PDF: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1"
    b">>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<"
    b"/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj 4 0 obj<</Length 44>>"
    b"stream\nBT /F 12 Tf 250 810 Td (RESTRICTED) Tj ET \nendstream endobj 5 0 obj<</Title(x)>>"
    b"endobj trailer<</Root 1 0 R/Info 5 0 R>>"
)
_RTF: Final = (
    rb"{\rtf1{\header SECRET\par}{\*\userprops{\propname GPMS}{\staticval Secret}}"
    rb"\u8211 -\'41\endash x\par}"
)
_PLACES: Final = ("word/header1.xml", "xl/worksheets/sheet1.xml", "ppt/slides/slide1.xml")


def _mail() -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "RESTRICTED \u2013 caf\u00e9"
    mail["X-Protective-Marking"] = "SECRET"
    mail.set_content("OFFICIAL-SENSITIVE\n\nHello.\n")
    mail.add_alternative("<p>SECRET</p>", subtype="html")
    mail.add_attachment(b"SECRET\nx\ny\n", "text", "plain", filename="Op RESTRICTED.txt")
    return mail.as_bytes()


def seeds() -> list[bytes]:
    """A document of each kind; the first byte tells as what it is read."""
    text = "OFFICIAL \u2013 SENSITIVE\nProtective marking:\tRESTRICTED\n\fS E C R E T\nx\n"
    page = b"<html><title>SECRET</title><table><tr><td>Marking<td>SECRET</table><p>R&amp;D</p>"
    made = [
        (0, text.encode()),
        (0, text.encode("utf-16")),
        (1, page),
        (2, _mail()),
        (3, _PDF),
        (4, _RTF),
        (4, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    ]
    made += [(6 + place, xml) for place, xml in enumerate((_WORD, _SHEET, _WORD, _OPEN))]
    return [bytes((kind,)) + octets for kind, octets in made]


def words() -> list[bytes]:
    """What documents are made of."""
    return [
        *(b"SECRET", b"RESTRICTED", b"OFFICIAL", b"-SENSITIVE", b"[PERSONAL]", b"UK EYES ONLY"),
        *(b"\n", b"\f", b"\t", b"\0", b"\xff\xfe", b"\xe2\x80\x93", b"--", b"<!DOCTYPE x>", b"]]>"),
        *(b"<p>", b"</p>", b"<w:p>", b"<w:tr>", b"<!--", b"&#83;", b"&amp;", b"<script>"),
        *(b"Content-Type: multipart/mixed; boundary=x\n", b"=?utf-8?q?=53?=", b"\n\n", b"--x"),
        *(b"\\header", b"{\\*", b"\\u-1", b"\\uc9", b"\\'", b"stream\n", b"endobj", b"<<", b">>"),
        *(b"<x:xmpmeta>", b"/Classification(", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f"),
    ]


def check(data: bytes) -> None:
    """Findings of the vocabulary, whatever it is."""
    if not data:
        return
    kind, octets = data[0] % 10, data[1:]
    types = frozenset({_TYPES[min(kind, 5)]})
    if kind >= 6:
        octets = _packed(kind - 6, octets)
        types = frozenset({"document"})
    for finding in findings_of(io.BytesIO(octets), types, "a.txt", _LIMITS):
        what, value = parted(finding)
        assert what in {MARKING, SENDS}
        assert value in VALUES[what]


def _packed(place: int, octets: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if place < len(_PLACES):
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr("xl/sharedStrings.xml", b"<sst><si><t>SECRET</t></si></sst>")
            archive.writestr(_PLACES[place], octets)
            archive.writestr("docProps/core.xml", re.sub(rb"w:", b"", octets))
        else:
            archive.writestr("content.xml", octets)
    return buffer.getvalue()
