"""Fetches one file, from the web or from disk.

In: a place, limits, what is known of the version before. Out: the file, or that it has not changed.
Must never: go on after a certificate that does not fit; follow a redirect from https to http, or
from the Internet to the inside; keep more than was allowed; call half a file a file.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

from proxy_addons import __version__
from proxy_addons.categorisation.updates.addresses import InsideError, Watched
from proxy_addons.categorisation.updates.kinds import HTTP

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK: Final = 1 << 18  # octets
_REDIRECTS: Final = 5
_MOVED: Final = frozenset({301, 302, 303, 307, 308})  # RFC 9110 15.4
_STALLED: Final = 60.0  # seconds without an octet
_LONGEST_VALIDATOR: Final = 512  # characters

type Told = Callable[[int, int], None]
"""Octets fetched, and of how many (0: not known)."""


class FetchError(Exception):
    """Nothing was fetched; the text says why."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said of a version, to ask whether there is a newer one (RFC 9110 8.8).

    Attributes:
        etag: ETag; of a file on disk, its size and time.
        last_modified: Last-Modified, as the server wrote it.
    """

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is fetched, and within which limits.

    Attributes:
        place: an http(s) address or an absolute path.
        max_size: octets.
        timeout: seconds in all.
        proxy: address of a proxy; `direct`: none; None: that of the environment.
        ca_file: certificate authorities trusted instead of the system's.
        known: of the version that is there already.
    """

    place: str
    max_size: int
    timeout: float
    proxy: str | None = None
    ca_file: str | None = None
    known: Validators = field(default_factory=Validators)

    @property
    def is_web(self) -> bool:
        """Whether it is on the web."""
        return self.place.partition("://")[0] in HTTP and "://" in self.place

    @property
    def file_name(self) -> str:
        """The last part of the place."""
        path = URL(self.place).path if self.is_web else self.place
        return path.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched.

    Attributes:
        path: the file (or folder) it is in.
        size: octets; 0 of a folder.
        validators: for the next time.
    """

    path: Path
    size: int
    validators: Validators


def fetch(wanted: Wanted, target: Path, told: Told) -> Fetched | None:
    """Fetches a file; runs an event loop of its own.

    Args:
        wanted: what.
        target: the file to write. It is not there whole when this raises.
        told: told how far it is.

    Returns:
        What was fetched; None: there is no newer version.

    Raises:
        FetchError: it was not fetched.
    """
    try:
        if not wanted.is_web:
            return _from_disk(wanted, target, told)
        return asyncio.run(_from_web(wanted, target, told))
    except TimeoutError as error:
        # What there is of it is not used; the last good list stays.
        raise FetchError(f"not all of it came within {wanted.timeout:g} s") from error
    except InsideError as error:
        raise FetchError(str(error)) from error  # not used, as above
    except aiohttp.ClientPayloadError as error:
        raise FetchError("cut short on the way") from error  # not used, as above
    except (aiohttp.ClientError, OSError) as error:  # not used, as above
        raise FetchError(_why(error)) from error


def _why(error: BaseException) -> str:
    """What went wrong, without what a server may have written."""
    inside = next((each for each in _causes(error) if isinstance(each, InsideError)), None)
    if inside is not None:
        return str(inside)
    certificate = getattr(error, "certificate_error", None) or error.__cause__
    if isinstance(error, ssl.SSLError) or isinstance(certificate, ssl.SSLError):
        found = error if isinstance(error, ssl.SSLError) else certificate
        return f"the certificate is not to be trusted: {getattr(found, 'verify_message', found)}"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return f"nothing came for {_STALLED:g} s"
    if isinstance(error, OSError):
        return f"cannot be reached or read: {os.strerror(error.errno) if error.errno else error}"
    return f"not answered as HTTP has it ({type(error).__name__})"


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = getattr(error, "os_error", None) or error.__cause__
    return found


def _from_disk(wanted: Wanted, target: Path, told: Told) -> Fetched | None:
    path = Path(wanted.place)
    if path.is_dir():  # the import takes it as it is, and looks at each file
        return Fetched(path, 0, Validators())
    with path.open("rb") as source, target.open("xb") as copy:
        status = os.fstat(source.fileno())
        stamp = Validators(etag=f"{status.st_size}-{status.st_mtime_ns}")
        if stamp == wanted.known:
            return None
        done = 0
        while block := source.read(_BLOCK):
            done = _within(done + len(block), wanted)
            copy.write(block)
            told(done, status.st_size)
    return Fetched(target, _some(done), stamp)


async def _from_web(wanted: Wanted, target: Path, told: Told) -> Fetched | None:
    resolver = Watched()
    context = _trusting(wanted.ca_file)
    connector = aiohttp.TCPConnector(resolver=resolver, ssl=context, use_dns_cache=False)
    limits = aiohttp.ClientTimeout(total=None, sock_connect=_STALLED, sock_read=_STALLED)
    async with (
        asyncio.timeout(wanted.timeout),
        aiohttp.ClientSession(
            connector=connector, timeout=limits, auto_decompress=False
        ) as session,
    ):
        url = URL(wanted.place)
        for hop in range(_REDIRECTS + 1):
            resolver.aim(url.host or "", public_only=hop > 0 and not resolver.inside)
            async with session.get(
                url,
                headers=_asked(wanted.known),
                proxy=_proxy_of(url, wanted),
                allow_redirects=False,
            ) as answer:
                if answer.status not in _MOVED:
                    return await _taken(answer, wanted, target, told)
                url = _next(url, answer)
    raise FetchError(f"redirected more than {_REDIRECTS} times")


@functools.cache
def _trusting(ca_file: str | None) -> ssl.SSLContext:
    """A client's TLS: certificate and name are verified."""
    return ssl.create_default_context(cafile=ca_file)


def _asked(known: Validators) -> dict[str, str]:
    """The header fields. No coding: the octets are those that checksum and signature are of."""
    fields = {"User-Agent": f"Watchhouse/{__version__}", "Accept-Encoding": "identity"}
    if known.etag is not None:
        fields["If-None-Match"] = known.etag
    if known.last_modified is not None:
        fields["If-Modified-Since"] = known.last_modified
    return fields


def _proxy_of(url: URL, wanted: Wanted) -> str | None:
    if wanted.proxy is not None:
        return None if wanted.proxy == "direct" else wanted.proxy
    if proxy_bypass(url.host or ""):
        return None
    return getproxies_environment().get(url.scheme)


def _next(url: URL, answer: aiohttp.ClientResponse) -> URL:
    """Where a redirect leads to."""
    try:
        found = url.join(URL(answer.headers.get("Location", "")))
    except ValueError:
        found = URL()  # refused below, as is one without a place
    if found.scheme not in HTTP or not found.host or found.user or found.password:
        raise FetchError("redirected to what is no plain http(s) address")
    if url.scheme == "https" and found.scheme != "https":
        raise FetchError("redirected from https to http: what came from there could be anybody's")
    return found.with_fragment(None)


async def _taken(
    answer: aiohttp.ClientResponse, wanted: Wanted, target: Path, told: Told
) -> Fetched | None:
    if answer.status == 304 and wanted.known != Validators():
        return None
    if answer.status != 200:
        raise FetchError(f"the server answered with status {answer.status}")
    coding = answer.headers.get("Content-Encoding", "identity").lower()
    packed = coding in {"gzip", "x-gzip"} and wanted.file_name.endswith(("gz", "tgz"))
    if coding != "identity" and not packed:
        raise FetchError("the server compressed it, which was not asked for")
    length = answer.content_length or 0
    _within(length, wanted)
    done = 0
    with target.open("xb") as file:
        async for block in answer.content.iter_chunked(_BLOCK):
            done = _within(done + len(block), wanted)
            await asyncio.to_thread(file.write, block)
            told(done, length)
    if length and done != length:
        raise FetchError("cut short on the way")
    return Fetched(
        target,
        _some(done),
        Validators(_kept(answer, "ETag"), _kept(answer, "Last-Modified")),
    )


def _kept(answer: aiohttp.ClientResponse, name: str) -> str | None:
    value = answer.headers.get(name)
    plain = value is not None and value.isprintable() and len(value) <= _LONGEST_VALIDATOR
    return value if plain else None


def _within(size: int, wanted: Wanted) -> int:
    if size > wanted.max_size:
        raise FetchError(f"larger than max_size allows ({wanted.max_size} octets)")
    return size


def _some(size: int) -> int:
    if not size:
        raise FetchError("there is nothing in it")
    return size


def digest_of(path: Path, algorithm: str) -> str:
    """The digest of a file, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
