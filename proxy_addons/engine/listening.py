"""The certificate of listeners with TLS: the operator's, or a leaf of our own authority.

In: settings, the authority, the time. Out: the files that workers and portal show; a leaf that is
made, and renewed before it runs out.
Must never: leave half a leaf where a worker reads it; replace the operator's files.

The leaf is a file beside the authority, key and certificate in one, so that all workers show the
same and the portal has no need of the authority's key.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy_addons.engine.authority import load_or_make
from proxy_addons.rights.certificate import CertificateError, read_pair

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from proxy_addons.engine.authority import Authority
    from proxy_addons.settings.model import Settings

_RENEWED = timedelta(days=3)  # before its end; it is valid for a week


def needed(settings: Settings) -> bool:
    """Whether any listener has TLS."""
    return bool(settings.listen.proxy_tls or settings.listen.portal_tls)


def names_of(settings: Settings) -> tuple[str, ...]:
    """The names that a leaf of ours is for: `listen.names`, else the hosts listened on."""
    listen = settings.listen
    if listen.certificate.names:
        return listen.certificate.names
    found = dict.fromkeys(end.host for end in (*listen.proxy_tls, *listen.portal_tls))
    return tuple(dict.fromkeys(_reached(host) for host in found))


def ensure_leaf(settings: Settings, now: datetime) -> bool:
    """Make or renew our own leaf, where one is needed; whether that was done.

    Args:
        settings: of this gateway.
        now: aware UTC.

    Raises:
        AuthorityError: there is no authority that could sign it.
    """
    paths = settings.paths
    if not needed(settings) or settings.listen.certificate.chain is not None:
        return False
    authority = load_or_make(paths.ca_dir, settings.page.organisation, now)
    names = names_of(settings)
    if _is_good(paths.listening_leaf, authority, names, now):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.leaf(names[0], key.public_key(), now, names[1:])
    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for each in (certificate, authority.certificate):
        content += each.public_bytes(serialization.Encoding.PEM)
    half = paths.listening_leaf.with_name(f".{paths.listening_leaf.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(paths.listening_leaf)
    return True


def _is_good(leaf: Path, authority: Authority, names: tuple[str, ...], now: datetime) -> bool:
    if not leaf.exists():
        return False
    try:
        pair = read_pair(leaf, leaf)
    except CertificateError:
        return False  # ours, and of no use: made anew
    issuer = authority.certificate.public_bytes(serialization.Encoding.PEM)
    return set(pair.names) == set(names) and pair.ends - now > _RENEWED and issuer in pair.chain


def _reached(host: str) -> str:
    """A host that is listened on, as somebody may reach it."""
    try:
        wildcard = ip_address(host).is_unspecified
    except ValueError:
        return host.lower()  # a name
    return socket.gethostname().lower() if wildcard else host
