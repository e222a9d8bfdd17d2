"""What is trusted of servers: the system's store, and the force's own roots beside it.

In: a pyOpenSSL context, an optional PEM file. Out: the context, trusting both.
Must never: trust nothing (a gateway that verifies against an empty store refuses everything, and
must say so at start), or fall back to a store that the operator does not manage.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from OpenSSL import SSL

if TYPE_CHECKING:
    from collections.abc import Iterator


class TrustError(Exception):
    """There is nothing to trust, or a file of roots cannot be read. The gateway does not start."""


# Where the distributions that the force might run keep the whole store in one file.
_SYSTEM_FILES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Red Hat
)


def _system_files() -> Iterator[Path]:
    # Python's own idea first: it follows SSL_CERT_FILE, which administrators know.
    found = ssl.get_default_verify_paths().cafile
    if found:
        yield Path(found)
    yield from _SYSTEM_FILES


def load_trust(context: SSL.Context, trusted_ca_file: Path | None) -> None:
    """Make a context trust the system's store and `trusted_ca_file`.

    Raises:
        TrustError: naming the file and the fix.
    """
    system = next((file for file in _system_files() if file.is_file()), None)
    if system is None and trusted_ca_file is None:
        msg = (
            "no trust store: install the package ca-certificates, or name a PEM file in "
            "tls.trusted_ca_file of watchhouse.yaml"
        )
        raise TrustError(msg)
    for file in (system, trusted_ca_file):
        if file is None:
            continue
        try:
            context.load_verify_locations(str(file))
        except SSL.Error:
            msg = f"{file}: cannot be read as PEM certificates (tls.trusted_ca_file)"
            raise TrustError(msg) from None
