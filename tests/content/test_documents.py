"""What is read of documents, of good ones and of such as nobody makes."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.documents import Limits, UnreadableError, findings_of, parts_of
from proxy_addons.content.markings import Part, markings_in
from proxy_addons.content.webpage import page_parts


def read(octets: bytes, file_type: str = "text", **limits: int) -> list[Part]:
    return list(parts_of(io.BytesIO(octets), file_type, Limits(**limits)))


def body(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if part.where == "body")


# --- text -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("lines", [1, 40_000])
def test_a_text_is_read_in_its_encoding(encoding: str, lines: int) -> None:
    text = "RESTRICTED\n" + "caf\u00e9 \u2013 a line\n" * lines
    assert body(read(text.encode(encoding))) == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\f"), max_size=300))
def test_any_text_is_read_whole(text: str) -> None:
    octets = b"\xef\xbb\xbf" + text.encode()
    assert body(read(octets)) == text


def test_a_line_without_end_is_read_in_pieces() -> None:
    parts = read(b"a" * 1_000_000)
    assert len(parts) > 3
    assert body(parts) == "a" * 1_000_000


def test_lines_beside_a_form_feed_are_heads_and_feet_of_pages() -> None:
    pages = "\n".join([*"abcdefgh", "RESTRICTED\f", "SECRET", *"ijklmnop"])
    parts = read(pages.encode())
    assert Part("footer", "RESTRICTED") in parts
    assert Part("header", "SECRET") in parts


def test_pictures_and_programs_have_no_text() -> None:
    assert read(b"\x89PNG\r\n\x1a\nRESTRICTED\n", "image") == []
    assert read(b"MZRESTRICTED\n", "windows-program") == []


def test_too_much_text_is_said() -> None:
    with pytest.raises(UnreadableError):
        read(b"word\n" * 1000, text=100)


# --- web pages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("<p>RESTRICTED</p><p>Parade at six.</p><p>Boots.</p>", {"restricted"}),
        ("<div><b>OFFICIAL-</b>SENSITIVE</div><div>Parade at six.</div>", {"official-sensitive"}),
        ("<html><title>SECRET - Falcon</title><body>x</body></html>", {"secret"}),
        ("<p>RESTRICTED &ndash; STAFF<br>Parade at six.</p>", {"restricted"}),
        ("<p>This is restricted.</p>", set()),
        ("<p>R E S T\n  R I C T E D</p><p>Parade at six.</p>", {"restricted"}),
        ("<table><tr><td>1</td><td>RESTRICTED</td><td>x</td></tr></table><p>y</p>", set()),
        ("<script>\nSECRET\n</script><p>Parade at six.</p>", set()),
    ],
)
def test_web_pages(page: str, wanted: set[str]) -> None:
    assert markings_in(parts_of(io.BytesIO(page.encode()), "web-page")) == wanted


TAGS = ["<", "<!--", "-->", "<a x=", "&", "<![", "</", "<?", "&#", "<p>", ">", "'", '"', "<script>"]


@pytest.mark.parametrize("piece", [*TAGS, "</a/", "<meta name=", "&#9", "&#" + "9" * 5000, "<a <"])
@pytest.mark.parametrize("last", ["", ">", "-->"])
def test_what_is_left_open_a_thousand_times_is_read_all_the_same(piece: str, last: str) -> None:
    page = "<p>SECRET</p><p>Parade at six.</p>" + piece * (60_000 // len(piece)) + last
    parts = parts_of(io.BytesIO(page.encode()), "web-page")
    assert markings_in(parts) == {"secret"}


@given(
    st.lists(st.sampled_from([*TAGS, "SECRET", "\n", "</script>", "<td>", "x", "&amp;"])), st.data()
)
def test_a_page_is_read_alike_however_it_is_cut(tokens: list[str], data: Any) -> None:
    page = "".join(tokens)
    place = data.draw(st.integers(min_value=0, max_value=len(page)))
    cut = [part for part in page_parts([page[:place], page[place:]]) if part.text]
    whole = [part for part in page_parts([page]) if part.text]
    assert cut == whole


# --- e-mail -----------------------------------------------------------------------------------


def message(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Parade at six.\nBring boots.\n")
    return mail


def of_mail(mail: EmailMessage | bytes) -> frozenset[str]:
    octets = mail if isinstance(mail, bytes) else mail.as_bytes()
    return findings_of(io.BytesIO(octets), frozenset({"e-mail"}))


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"Subject": "RESTRICTED - Operation Falcon"}, {"marking=restricted"}),
        ({"Subject": "OFFICIAL\u2013SENSITIVE: caf\u00e9"}, {"marking=official-sensitive"}),
        ({"X_Protective_Marking": "SECRET"}, {"marking=secret"}),
        ({"msip_labels": "MSIP_Label_1_Name=Official Sensitive;"}, {"marking=official-sensitive"}),
        ({"Sensitivity": "Company-Confidential"}, set()),
        ({"Subject": "Secret Santa"}, set()),
    ],
)
def test_headers_of_mail(headers: dict[str, str], wanted: set[str]) -> None:
    assert of_mail(message(**headers)) == wanted


def test_mail_in_html_in_base64_and_attached() -> None:
    mail = message(Subject="Minutes")
    mail.add_alternative("<div>OFFICIAL-SENSITIVE</div><p>Parade at six.</p>", subtype="html")
    assert of_mail(mail) == {"marking=official-sensitive"}
    mail = message(Subject="Minutes")
    mail.add_attachment(b"SECRET\nParade at six.\nBoots.\n", "text", "plain", filename="a.txt")
    assert of_mail(mail) == {"marking=secret"}
    mail = message(Subject="Minutes")
    mail.add_attachment(b"x", "image", "png", filename="Op Falcon (RESTRICTED).png")
    assert of_mail(mail) == {"marking=restricted"}
    outer = message(Subject="FW")
    outer.add_attachment(message(Subject="[SECRET] Falcon"))
    assert of_mail(outer) == {"marking=secret"}


def test_encrypted_mail_is_unread() -> None:
    octets = (
        b"Subject: x\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nMII"
    )
    assert of_mail(octets) == {"sends=unread"}


def test_attachments_in_attachments_end() -> None:
    mail = message(Subject="inner")
    inner = b""
    for _ in range(8):
        inner = mail.as_bytes()
        mail = message(Subject="x")
        mail.add_attachment(inner, "text", "plain", filename="x.eml")
    assert of_mail(mail) <= {"sends=unread"}


@given(st.binary(max_size=600))
def test_any_bytes_are_mail_or_not(octets: bytes) -> None:
    of_mail(b"Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n--a\n" + octets)


# --- zip files that nobody makes --------------------------------------------------------------


def office(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".xml", text)
    return buffer.getvalue()


TABLE = (
    "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Falcon</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r>"
    "<w:t>SECRET</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
)
WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def test_a_document_type_is_refused() -> None:
    bomb = (
        '<!DOCTYPE d [<!ENTITY a "RESTRICTED"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
        f"<w:document {WORD}><w:p><w:r><w:t>&a;&x;</w:t></w:r></w:p></w:document>"
    )
    with pytest.raises(UnreadableError):
        read(office(word__document=bomb), "document")


def test_a_bomb_ends_at_the_limit() -> None:
    text = "<a>" + "x" * 50_000_000 + "</a>"
    octets = office(word__document=text)
    assert len(octets) < 100_000
    with pytest.raises(UnreadableError):
        read(octets, "document", unpacked=1_000_000)


@pytest.mark.parametrize(
    "octets",
    [
        office()[:-30],
        b"PK\x03\x04" + b"\0" * 100,
        office(word__document="<a><b></a>"),
        office(word__document="<a>" * 100_000),
    ],
)
def test_damage_is_said(octets: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(octets, "document")


def test_what_was_read_before_the_damage_counts() -> None:
    header = f"<w:hdr {WORD}><w:p><w:r><w:t>SECRET</w:t></w:r></w:p></w:hdr>"
    octets = office(word__a=header, word__b="<broken")
    found = findings_of(io.BytesIO(octets), frozenset({"document"}))
    assert found == {"marking=secret", "sends=unread"}


def test_too_many_members_are_said() -> None:
    octets = office(**{f"word__m{number}": "<a/>" for number in range(50)})
    with pytest.raises(UnreadableError):
        read(octets, "document", members=20)


@pytest.mark.parametrize(
    ("xml", "wanted"),
    [
        ("<w:p><w:r><w:t>RE</w:t></w:r><w:r><w:t>STRICTED</w:t></w:r></w:p>", {"restricted"}),
        ("<w:p><w:r><w:rPr><w:caps/></w:rPr><w:t>secret</w:t></w:r></w:p>", {"secret"}),
        ('<w:p><w:r><w:rPr><w:caps w:val="0"/></w:rPr><w:t>secret</w:t></w:r></w:p>', set()),
        ("<w:p><w:r><w:t>Op Falcon</w:t><w:tab/><w:t>SECRET</w:t></w:r></w:p>", {"secret"}),
        ('<w:p><v:textpath xmlns:v="v" string="SECRET"/></w:p>', {"secret"}),
        ("<w:p><w:r><w:delText>SECRET</w:delText></w:r></w:p>", set()),
        (TABLE, {"secret"}),
    ],
)
def test_heads_of_pages_as_word_writes_them(xml: str, wanted: set[str]) -> None:
    octets = office(word__header1=f"<w:hdr {WORD}>{xml}</w:hdr>")
    assert markings_in(read(octets, "document")) == wanted


@given(st.binary(max_size=400))
def test_any_zip_member_is_read_or_not(octets: bytes) -> None:
    text: Any = octets.decode("latin-1")
    file = io.BytesIO(office(word__document=text, docProps__core=text))
    findings_of(file, frozenset({"document"}))


# --- OpenDocument -----------------------------------------------------------------------------


def opened(content: str, styles: str = "<a/>", manifest: str = "<a/>") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("styles.xml", styles)
        archive.writestr("content.xml", content)
    return buffer.getvalue()


def test_open_documents() -> None:
    head = '<s xmlns:style="s"><style:header><p>SECRET</p></style:header></s>'
    parts = read(opened("<d><p>One<s/>two<tab/>three</p><h>Four</h></d>", head), "document")
    assert parts == [Part("header", "SECRET"), Part("body", "One two\tthree\nFour")]
    with pytest.raises(UnreadableError):
        read(opened("x", manifest="<m><encryption-data/></m>"), "document")


@given(st.binary(max_size=400))
def test_any_open_document_is_read_or_not(octets: bytes) -> None:
    text: Any = octets.decode("latin-1")
    findings_of(io.BytesIO(opened(text, text)), frozenset({"document"}))


def test_a_zip_file_that_is_no_document_is_left_to_others() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(50):
            archive.writestr(f"{number}.txt", "SECRET")
    assert read(buffer.getvalue(), "archive", members=20) == []


# --- RTF --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rtf", "wanted"),
    [
        (r"{\rtf1{\header\pard SECRET\par}\pard Parade at six.\par}", {"secret"}),
        (r"{\rtf1{\footerr\pard REST{\b RICTED}\par}Parade.\par}", {"restricted"}),
        (r"{\rtf1{\info{\title SECRET - Falcon}}Parade.\par}", {"secret"}),
        (
            r"{\rtf1{\*\userprops{\propname Classification}\proptype30{\staticval Secret}}x}",
            {"secret"},
        ),
        (r"{\rtf1 OFFICIAL\u8211 -SENSITIVE\par Parade.\par}", {"official-sensitive"}),
        (r"{\rtf1 OFFICIAL\endash SENSITIVE\par Parade.\par}", {"official-sensitive"}),
        (r"{\rtf1{\fonttbl{\f0 SECRET;}}Parade.\par}", set()),
        (r"{\rtf1 The area is restricted.\par Nothing else.\par}", set()),
    ],
)
def test_rich_text(rtf: str, wanted: set[str]) -> None:
    assert markings_in(read(rtf.encode("ascii"), "document")) == wanted


def test_groups_without_end_are_said() -> None:
    with pytest.raises(UnreadableError):
        read(b"{\\rtf1" + b"{" * 100_000, "document")


@given(
    st.lists(st.sampled_from([*"{}\\ab*'\n", r"\header", r"\u8211", r"\'41", "SECRET", r"\par"]))
)
def test_any_rich_text_is_read_or_not(tokens: list[str]) -> None:
    octets = b"{\\rtf1 " + "".join(tokens).encode()
    findings_of(io.BytesIO(octets), frozenset({"document"}))


# --- PDF, and compound files ------------------------------------------------------------------

PDF = b"""%PDF-1.4
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R
/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>> endobj
4 0 obj <</Length 93>> stream
BT /F 12 Tf 250 810 Td (RESTRICTED) Tj ET BT /F 12 Tf 50 500 Td (Parade at six. Boots.) Tj ET
endstream endobj
5 0 obj <</Title(Falcon)/ProtectiveMarking(SECRET)>> endobj
trailer <</Root 1 0 R/Info 5 0 R>>
"""


def test_a_page_of_pdf() -> None:
    parts = read(PDF, "pdf")
    assert Part("header", "RESTRICTED") in parts
    assert Part("property", "Title: Falcon") in parts
    assert markings_in(parts) == {"restricted", "secret"}
    assert markings_in(read(b"junk before\n" + PDF, "pdf")) == {"restricted", "secret"}


def test_a_text_about_pdf_is_a_text() -> None:
    assert body(read(b"A file that begins with %PDF- is a PDF.\n")).startswith("A file")


@pytest.mark.parametrize(
    "octets", [PDF[:60], b"%PDF-1.4\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf1{{"]
)
def test_damaged_documents_never_raise_anything_else(octets: bytes) -> None:
    assert findings_of(io.BytesIO(octets), frozenset({"pdf"})) <= {"sends=unread"}


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=len(PDF)))
def test_any_pdf_is_read_or_not(octets: bytes, place: int) -> None:
    findings_of(io.BytesIO(PDF[:place] + octets + PDF[place:]), frozenset({"pdf"}))


@given(st.binary(max_size=3000))
def test_any_compound_file_is_read_or_not(octets: bytes) -> None:
    magic = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    findings_of(io.BytesIO(magic + octets), frozenset({"document"}))
