"""E-mails: what they carry."""

from __future__ import annotations

import io
from email.message import EmailMessage

import pytest
from support.packing import PROGRAM, TEXT, zip_of

from proxy_addons.content.archives import Members, examine_archive
from proxy_addons.content.declared import named
from proxy_addons.settings.content import Archives


def mail(**attached: bytes) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "a@police.example"
    message["To"] = "b@police.example"
    message["Subject"] = "The meeting"
    message["Date"] = "Sun, 22 Nov 2026 12:00:00 +0000"
    message["Message-ID"] = "<1@police.example>"
    message.set_content(TEXT.decode())
    for name, content in attached.items():
        message.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=f"{name}.bin"
        )
    return message


def looked(content: bytes, name: str = "a.eml") -> Members:
    return examine_archive(io.BytesIO(content), Archives(), named(name))


def test_a_letter_has_no_findings() -> None:
    assert looked(bytes(mail())) == Members(frozenset({"text"}))


def test_what_is_attached_is_seen() -> None:
    message = bytes(mail(a=zip_of({"b.txt": PROGRAM}), c=TEXT))
    found = looked(message)
    assert found.types == {"text", "archive", "windows-program"}
    assert found.first == ("a.bin/b.txt",)
    deeper = looked(zip_of({"x.eml": message}), "x.zip")
    assert deeper.types == {"e-mail", "text", "archive", "windows-program"}
    assert deeper.first == ("x.eml/a.bin/b.txt",)


def test_what_is_attached_to_what_is_attached_is_seen() -> None:
    message = mail()
    message.add_attachment(mail(a=PROGRAM))
    assert "windows-program" in looked(bytes(message)).types


def test_a_script_is_told_by_its_name() -> None:
    message = mail()
    message.add_attachment("Get-Process | Stop-Process", filename="a.ps1")
    assert "windows-script" in looked(bytes(message)).types


@pytest.mark.parametrize(
    "field", ["Content-Type: text/plain; charset=nonsense", "Content-Transfer-Encoding: x"]
)
def test_what_makes_no_sense_does_no_harm(field: str) -> None:
    looked(f"From: a@b.example\nTo: c@d.example\nSubject: x\n{field}\n\nhello\n".encode())
