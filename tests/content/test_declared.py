"""What a message says of its body, as cases; then whatever a stranger may write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.declared import NOTHING, Declared, declared_of, named


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/", ()),
        ("", ()),
        ("/downloads/", ()),
        ("/downloads/Setup.EXE", ("setup.exe",)),
        ("/setup.exe?version=2/x.txt", ("setup.exe",)),
        ("/setup.exe#x.txt", ("setup.exe",)),
        ("/a%2Fb%5Csetup%2Eexe", ("setup.exe",)),
        ("/setup.exe%00", ("setup.exe",)),
        ("/setup.exe%20.", ("setup.exe",)),
        ("/%E2%80%AEgpj.exe", ("gpj.exe",)),  # right-to-left: shows as exe.jpg
        ("/%zz.ps1", ("%zz.ps1",)),
    ],
)
def test_the_name_in_a_path(path: str, names: tuple[str, ...]):
    assert declared_of(path, "", "").names == names


@pytest.mark.parametrize(
    ("disposition", "names"),
    [
        ("attachment", ()),
        ("attachment; filename=setup.exe", ("setup.exe",)),
        ('attachment; filename="Set up.EXE"', ("set up.exe",)),
        ('attachment;filename = "a\\"b.exe"', ('"b.exe', 'a"b.exe')),
        ('attachment; filename="C:\\temp\\x.exe"', ("x.exe", "c:tempx.exe")),
        ('attachment; filename="../../x.exe"', ("x.exe",)),
        ("attachment; filename*=UTF-8''set%20up.ps1", ("set up.ps1",)),
        ("attachment; filename=x.txt; filename*=utf-8'en'x.ps1", ("x.txt", "x.ps1")),
        ("attachment; filename*=x-none''x%2Eps1", ("x.ps1",)),
        ("attachment; filename*=x%2Eps1", ("x.ps1",)),
        ("attachment; filename=x%2Eps1", ("x%2eps1", "x.ps1")),
        ('attachment; filename*0="set"; filename*1="up.exe"', ("setup.exe",)),
        ("attachment; filename*1*=up%2Eexe; filename*0=set", ("setup.exe",)),
        ('attachment; filename="=?utf-8?B?c2V0dXAuZXhl?="', ("setup.exe",)),
        ("attachment; filename==?utf-8?Q?setup=2Eexe?=", ("=?utf-8?q?setup=2eexe?=", "setup.exe")),
        ('attachment; filename="x.exe', ("x.exe",)),  # the quote never ends
        ("attachment filename=x.exe", ("x.exe",)),
        ("attachment; FILENAME=x.exe; x=filename", ("x.exe",)),
        ("attachment; xfilename=x.exe", ()),
    ],
)
def test_names_in_a_disposition(disposition: str, names: tuple[str, ...]):
    assert set(names) <= set(declared_of("", "", disposition).names)


def test_a_name_that_no_client_reads_is_none():
    assert declared_of("", "", "attachment; xfilename=x.exe").names == ()
    assert declared_of("", "", 'attachment; title="filename"').names == ()


@pytest.mark.parametrize(
    ("disposition", "attachment"),
    [
        ("", False),
        ("inline", False),
        ("INLINE ; filename=x", False),
        ("filename=x.js", False),  # as browsers have it
        ("attachment", True),
        ("Attachment; filename=x", True),
        ("download; filename=x", True),  # RFC 6266, 4.2: unknown types
    ],
)
def test_whether_it_is_to_be_saved(disposition: str, attachment: bool):
    assert declared_of("/x", "", disposition).attachment is attachment


def test_the_type_without_parameters_and_its_name():
    found = declared_of("/get", 'Application/X-Sh; charset=x; name="run.sh"', "")
    assert found == Declared(("get", "run.sh"), "application/x-sh", attachment=False)
    assert found.endings == {"sh"}


def test_names_that_differ_all_count():
    found = declared_of("/get/report.pdf", "application/pdf", "attachment; filename=report.pdf.exe")
    assert found.names == ("report.pdf", "report.pdf.exe")
    assert found.endings == {"pdf", "exe"}
    same = declared_of("/get/report.pdf", "application/pdf", "inline; filename=REPORT.pdf")
    assert same.names == ("report.pdf",)


def test_a_script_of_a_page_that_is_saved_under_another_name():
    """As advertisements' scripts are sent; the address alone says nothing of saving then."""
    guard = 'attachment; filename="f.txt"'
    assert declared_of("/js/ads.js", "text/javascript", guard).names == ("f.txt",)
    assert declared_of("/js/ads.js", "text/javascript", "attachment").names == ("ads.js",)
    assert declared_of("/setup.ps1", "text/plain", guard).names == ("setup.ps1", "f.txt")


def test_endings():
    assert Declared(("no-ending", "a.b.7z", ".profile", "x.", "x.a b")).endings == {"7z", "profile"}
    assert NOTHING.endings == frozenset()


def test_the_name_of_a_file():
    assert named("dist/Setup.EXE") == Declared(("setup.exe",), "", attachment=True)
    assert named("folder/").names == ()


@given(st.text(), st.text(), st.text())
def test_whatever_a_stranger_writes(path: str, content_type: str, disposition: str):
    found = declared_of(path, content_type, disposition)
    for name in found.names:
        assert name == name.lower().strip(" ")
        assert not set("/\\\0\r\n") & set(name)
        assert name


@given(st.text(alphabet="filename*=\";%\\0123' .exutf-8?", max_size=80))
def test_whatever_looks_like_names(text: str):
    for name in declared_of("", text, f"attachment; {text}").names:
        assert name
        assert not set("/\\") & set(name)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters='"\\'), min_size=1))
def test_a_quoted_name_is_found_as_it_is(name: str):
    clean = "".join(c for c in name if c.isprintable()).rpartition("/")[2].rstrip(". ").lstrip()
    if clean:
        assert clean.lower() in declared_of("", "", f'attachment; filename="{name}"').names
