"""Finds the files that an e-mail carries.

In: an e-mail as it is sent (RFC 5322, MIME), a web page as one file (MHTML). Out: names and bytes.
Must never: be used in the gateway's own process; take a part for text because it says so.
"""

from __future__ import annotations

from email.errors import MessageError
from email.parser import BytesParser
from email.policy import compat32
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST: Final = 128 << 20  # bytes: more than any mail server takes
_PARTS: Final = 2000


def carried_by_mail(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """All parts of an e-mail, decoded: text as well, as programs may save each.

    Args:
        file: the e-mail.

    Yields:
        Names, which may be "", and bytes.

    Raises:
        ValueError: it is too large, has too many parts, or makes no sense.
    """
    file.seek(0)
    content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("too large an e-mail")
    try:
        # The older policy: the newer one looks into every field, and fails on some.
        message = BytesParser(policy=compat32).parsebytes(content)
        for number, part in enumerate(message.walk()):
            if number > _PARTS:
                raise ValueError("too many parts")
            if part.is_multipart():
                continue
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and payload:
                yield _name(part.get_filename()), payload
    except (MessageError, LookupError, RecursionError, AssertionError, TypeError) as error:
        raise ValueError(str(error)) from error


def _name(name: object) -> str:
    return name if isinstance(name, str) else ""
