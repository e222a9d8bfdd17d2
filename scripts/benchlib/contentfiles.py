"""What `content-*` download: pages and what belongs to them, documents, files without end.

In: nothing. Out: bytes of the kinds that browsers fetch most, of a size that is told.
Must never: be easier to look into than real ones: text has words, documents have all the parts
that a look has to open, what cannot be packed is random.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

PAGE_OCTETS = 10_000
DOCUMENT_OCTETS = 10_000_000
_PICTURE_OCTETS = 500_000
# E2Guardian weighs words: of made-up ones some mean something in one of its lists.
_WORDS = """
about above account across after again against all almost along already although always among and
another answer any area around as ask at away back be because become been before began begin behind
being below between book both bring brought building built but by call came can carry case centre
certain change children city clear close come common community complete could country course cut
day decided deep did different do does done door down draw each early earth east easy eat end
enough even ever every example eye face fact family far farm father feel feet few field figure
final find fine first follow food for force form found four free from front full garden gave
general get give go gold good government great green ground group grow had half hand happen hard
has have he head hear heard help her here high him his hold home horse hour house how hundred idea
if in inch island it just keep kept kind king knew know land language large last late learn leave
left letter life light like line list listen little live long look low made main make man many map
mark may mean measure men might mile mind minute miss money month moon more morning most mother
mountain move much music must my name near need never new next night north note nothing notice now
number of off often old on once one only open or order other our out over own page paper part pass
pattern people perhaps person picture piece place plain plan plane plant play point poor port power
press problem produce question quick quite rain ran reach read ready real record red remember rest
right river road rock room round rule run said same saw say school science sea second see seem
sentence serve set several shape she ship short should show side simple since sing six size sleep
slow small snow so some song soon sound south space special spell stand star start state stay step
still stood stop story street strong study such summer sun sure surface table take talk teach tell
ten than that the their them then there these they thing think this those though thought thousand
three through time to together told took toward town travel tree true try turn two under unit until
up upon us use usual very voice vowel walk want warm was watch water way we week well went were
west what wheel when where which while white who whole why wide will wind winter with without
wonder wood word work world would write year yes yet you young your
""".split()  # noqa: SIM905 (it would be 400 lines)


def chance(seed: int) -> random.Random:
    """It repeats itself: all sides get the same."""
    return random.Random(seed)  # noqa: S311


def words(seed: int, octets: int) -> str:
    """English words, which pack to about a third."""
    draw = chance(seed)
    text = ""
    while len(text) < octets:
        text += " ".join(draw.choices(_WORDS, k=200)) + ".\n"
    return text[:octets]


def pages() -> dict[str, bytes]:
    """A page and what belongs to it, 10 kB each: names and bytes."""
    rules = "".join(f".c{n} {{ margin: {n}px; color: #{n:06x}; }}\n" for n in range(400))
    steps = "".join(f"function f{n}(a) {{ return a + {n}; }}\n" for n in range(400))
    rows = ",".join(f'{{"id": {n}, "title": "{words(n, 30)!s}"}}' for n in range(300))
    return {
        "page.html": _fitted(
            "<!doctype html><html><head><title>A page</title></head><body><p>",
            words(1, PAGE_OCTETS),
            "</p></body></html>",
        ),
        "site.css": rules.encode()[:PAGE_OCTETS],
        "site.js": steps.encode()[:PAGE_OCTETS],
        "rows.json": _fitted("[", rows.replace("\n", " "), '"}]'),
        "picture.png": picture(PAGE_OCTETS),
        "letters.woff2": font(PAGE_OCTETS),
    }


def _fitted(before: str, text: str, after: str) -> bytes:
    return f"{before}{text[: PAGE_OCTETS - len(before) - len(after)]}{after}".encode()


def picture(octets: int) -> bytes:
    """A PNG picture (RFC 2083) of noise."""
    side = int((octets / 3) ** 0.5)
    draw = chance(side)
    rows = b"".join(b"\0" + draw.randbytes(3 * side) for _ in range(side))
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        made += struct.pack(">I", len(data)) + kind + data
        made += struct.pack(">I", zlib.crc32(kind + data))
    return made


def font(octets: int) -> bytes:
    """What begins as a WOFF2 font does (W3C WOFF 2.0, 4.1), and goes on as noise."""
    head = b"wOF2\0\1\0\0" + struct.pack(">IHH", octets, 10, 0)
    return head + chance(2).randbytes(octets - len(head))


def documents() -> dict[str, bytes]:
    """A Word document and a PDF of 10 MB, mostly pictures, as large ones are."""
    return {"report.docx": word(), "report.pdf": pdf()}


def word() -> bytes:
    """A Word document (ECMA-376) with pictures."""
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    kinds = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Types xmlns="http://schemas.'
        'openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType='
        f'"application/xml"/><Override PartName="/word/document.xml" ContentType="{main}"/></Types>'
    )
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    relations = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://'
        'schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{office}" Target="word/document.xml"/></Relationships>'
    )
    paragraphs = "".join(f"<w:p><w:r><w:t>{words(n, 400)}</w:t></w:r></w:p>" for n in range(1000))
    text = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="http://'
        'schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
        f"{paragraphs}</w:body></w:document>"
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", kinds)
        archive.writestr("_rels/.rels", relations)
        archive.writestr("word/document.xml", text)
        number = 0
        while made.tell() < DOCUMENT_OCTETS - _PICTURE_OCTETS:
            number += 1
            archive.writestr(f"word/media/image{number}.png", picture(_PICTURE_OCTETS + number))
    return made.getvalue()


def pdf() -> bytes:
    """A PDF (ISO 32000) of pages with a picture each."""
    draw = chance(3)
    count = DOCUMENT_OCTETS // _PICTURE_OCTETS
    parts = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = b" ".join(b"%d 0 R" % (3 + 3 * n) for n in range(count))
    parts.append(b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, count))
    side = int((_PICTURE_OCTETS / 3) ** 0.5)
    for n in range(count):
        first = 3 + 3 * n
        parts.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /XObject << /I %d 0 R >> >> >>" % (first + 1, first + 2)
        )
        parts.append(_stream(b"", b"q 500 0 0 500 40 100 cm /I Do Q"))
        parts.append(
            _stream(
                b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB"
                b" /BitsPerComponent 8 /Filter /FlateDecode" % (side, side),
                zlib.compress(draw.randbytes(3 * side * side)),
            )
        )
    made, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, part in enumerate(parts, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(parts) + 1,
        start,
    )
    return bytes(made)


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(data), data)


# What begins a film: ISO 14496-12, a file type box, then a box of media data without an end.
FILM = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41\0\0\0\0mdat"


def block() -> bytes:
    """What is in a film, over and over."""
    return chance(4).randbytes(1 << 20)


def checksum(octets: int, repeated: bytes, start: int = 0) -> int:
    """CRC-32 of so many octets of something that is repeated."""
    found, left = start, octets
    while left:
        part = repeated[: min(left, len(repeated))]
        found = zlib.crc32(part, found)
        left -= len(part)
    return found


def archive_of(octets: int, crc: int) -> tuple[bytes, bytes]:
    """A zip archive of one film, not packed: what stands before its bytes, and behind them.

    Args:
        octets: of the film.
        crc: CRC-32 of them.
    """
    name = b"film.mp4"
    # Zip64 (APPNOTE 4.5.3): it may be larger than 4 GB.
    sizes = struct.pack("<HHQQ", 1, 16, octets, octets)
    common = struct.pack("<HHHHIIIHH", 0, 0, 0, 0, crc, 2**32 - 1, 2**32 - 1, len(name), len(sizes))
    head = struct.pack("<4sH", b"PK\3\4", 45) + common + name + sizes
    entry = struct.pack("<4sHH", b"PK\1\2", 45, 45) + common
    entry += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + sizes
    at = len(head) + octets
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry), at)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at + len(entry), 1)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(entry), 2**32 - 1, 0)
    return head, entry + end64 + locator + end
