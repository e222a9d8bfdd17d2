"""E-mail: its subject, the headers that mark it, its texts, and what is attached.

In: a message (RFC 5322, MIME: RFC 2045). Out: parts for markings.py.
Must never: follow a reference (`message/external-body`).
"""

from __future__ import annotations

import email
import email.errors
import email.header
import re
from typing import TYPE_CHECKING, BinaryIO, Final

from proxy_addons.content.documents import (
    Budget,
    UnreadableError,
    bytes_file,
    decoded,
    parts_within,
)
from proxy_addons.content.markings import Part
from proxy_addons.content.webpage import page_parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

LARGEST: Final = 64 << 20
"""Bytes of a message that is read: the parser holds it whole."""
_MARKS = re.compile(
    r"marking|classif|msip|sensitiv|protective|titus|keywords|comments", re.IGNORECASE
)


def mail_parts(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    """The parts of a message.

    Raises:
        UnreadableError: when it is too large, or encrypted (S/MIME, OpenPGP).
    """
    octets = file.read(LARGEST + 1)
    if len(octets) > LARGEST:
        raise UnreadableError("the message is too large to be read")
    budget.unpacked(len(octets))
    # The older policy: it keeps headers as they came, and takes no time over hostile ones.
    message: Message = email.message_from_bytes(octets)
    yield from _message(message, budget)


def _message(message: Message, budget: Budget) -> Iterator[Part]:
    for name, value in message.items():
        if name.lower() == "subject":
            yield Part("subject", _header(value))
        elif _MARKS.search(name):
            yield Part("property", f"{name}: {_header(value)}")
    for part in message.walk():
        budget.member()
        kind = part.get_content_type()
        if kind == "multipart/encrypted" or kind.endswith("/pkcs7-mime"):
            raise UnreadableError("the message is encrypted")
        if not part.is_multipart():
            yield from _single(part, kind, budget)
        elif kind == "message/rfc822" and part is not message:
            yield from _forwarded(part)


def _single(part: Message, kind: str, budget: Budget) -> Iterator[Part]:
    """A part that has no others in it: a text, or what is attached."""
    name = _filename(part)
    if name:
        yield Part("name", name)
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return
    yield Part("end", "")
    if kind == "text/html" and not name:
        yield from page_parts([_text(part, payload)])
    elif kind.startswith("text/") and not name:
        yield Part("body", _text(part, payload))
    else:
        yield from _attached(payload, kind, budget)


def _forwarded(part: Message) -> Iterator[Part]:
    """The subject of a message that is attached; its texts come with those of the whole."""
    inner = part.get_payload(0)
    if not isinstance(inner, str | bytes) and inner["subject"]:
        yield Part("subject", _header(inner["subject"]))


def _attached(payload: bytes, kind: str, budget: Budget) -> Iterator[Part]:
    if budget.depth <= 0:
        raise UnreadableError("it has attachments in attachments in attachments")
    budget.depth -= 1
    try:
        file_type = "text" if kind.startswith("text/") else ""
        yield from parts_within(bytes_file(payload), file_type, budget)
    finally:
        budget.depth += 1


def _text(part: Message, payload: bytes) -> str:
    charset = part.get_content_charset()
    if charset is not None:
        try:
            return payload.decode(charset, "replace")
        except (LookupError, ValueError):
            # A name that no decoder has: what the bytes look like decides.
            pass
    return decoded(payload)


def _filename(part: Message) -> str:
    try:
        return _header(part.get_filename() or "")
    except (ValueError, LookupError, email.errors.MessageError):
        # A name that breaks the rules (RFC 2231) is left out; what is attached is read anyway.
        return ""


def _header(value: object) -> str:
    """A header's text, with encoded words (RFC 2047) read."""
    text = str(value)[:4096]
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (ValueError, LookupError, email.errors.MessageError):
        # An encoded word that breaks the rules stays as it is written.
        return text
