"""The origin: nginx with one small page, over HTTP and over HTTPS with a P-256 certificate.

In: the run's place. Out: `Origin`: where it is, what it serves, whom to trust, and how many
connections it has been made to accept. Must never: be counted as part of a side.
"""

from __future__ import annotations

import random
import shutil
import socket
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchlib import nameserver, pki
from benchlib.nameserver import ZONE
from benchlib.place import Place, SideError, free_port

if TYPE_CHECKING:
    from pathlib import Path

NAME_SERVER = "127.0.0.1"
PAGE = "/page"
BLOCK = 1 << 20
# Below this folder of the origin are large files, made when a scenario asks for them.
LARGE = "/large"
# Files below this one are there packed only (NAME.gz), and are sent with Content-Encoding: gzip.
PACKED = "/packed"
# A host of the origin's that sides are told to leave encrypted.
SPLICE_NAME = f"splice.{ZONE.decode()}"
# The origin closes the connection after this page, so that no side can keep it for another client.
LAST_PAGE = "/last-page"
BODY = (b"<!doctype html><title>bench</title><p>" + b"All in order. " * 80)[:1024]

CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 20000; }}
http {{
    log_format bench '$scheme $connection_requests $ssl_session_reused';
    access_log {folder}/access.log bench;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/html;
    types {{
        text/html html; text/css css; text/javascript js; application/json json; image/png png;
        font/woff2 woff2; application/pdf pdf; video/mp4 mp4; application/zip zip;
        application/vnd.openxmlformats-officedocument.wordprocessingml.document docx;
    }}
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout 600;
    keepalive_requests 100000000;
    ssl_certificate {folder}/origin.pem;
    ssl_certificate_key {folder}/origin.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen 127.0.0.1:{http} backlog=4096;
        listen 127.0.0.1:{https} ssl backlog=4096;
        root {folder}/www;
        add_header Cache-Control no-store;
        location = {last_page} {{ alias {folder}/www{page}; keepalive_timeout 0; }}
        location {packed}/ {{ gzip_static always; }}
    }}
    server {{
        listen 127.0.0.1:{https} ssl;
        server_name ~^site-;
        # A certificate for each site, as on the web: one for all names would spare a proxy that
        # takes over what the server's certificate says from making more than one.
        ssl_certificate {folder}/sites/$ssl_server_name.pem;
        ssl_certificate_key {folder}/sites/$ssl_server_name.pem;
        root {folder}/www;
        add_header Cache-Control no-store;
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Contacts:
    """What the origin was asked: requests, new connections, and resumed TLS sessions of those."""

    requests: int
    connections: int
    resumed: int

    def since(self, before: Contacts) -> Contacts:
        """What came after `before`."""
        return Contacts(
            self.requests - before.requests,
            self.connections - before.connections,
            self.resumed - before.resumed,
        )


class Origin:
    """A running origin."""

    def __init__(self, place: Place) -> None:
        program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
        if program is None:
            raise SideError("nginx is not installed (apt-get install nginx-light)")
        self.http_port, self.https_port = (80, 443) if place.private else (free_port(), free_port())
        # Without a name server of our own only this name is sure to be loopback.
        self.host = f"www.{ZONE.decode()}" if place.private else "localhost"
        self.distinct_names = place.private
        self.splice_host = SPLICE_NAME
        # Where a scenario's own origin of encrypted bulk listens (bulk.py).
        self.bulk_port = free_port()
        self.folder = place.subfolder("origin")
        self._write_certificates()
        self._write_content()
        as_root = "user nobody nogroup;" if place.private else ""
        (self.folder / "nginx.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                http=self.http_port,
                https=self.https_port,
                user=as_root,
                page=PAGE,
                last_page=LAST_PAGE,
                packed=PACKED,
            )
        )
        self._log_offset, self._contacts = 0, Contacts(0, 0, 0)
        if place.private:
            self._start_name_server(place)
        nginx = place.start(
            "nginx", [program, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"]
        )
        nginx.await_port(("127.0.0.1", self.http_port))
        nginx.await_port(("127.0.0.1", self.https_port))
        self.program = nginx

    @property
    def ca_file(self) -> Path:
        """The authority that signed the origin's certificate."""
        return self.folder / "origin-ca.pem"

    def sites(self, first: int, number: int) -> list[str]:
        """So many names of the origin, each with a certificate of its own."""
        names = [f"site-{n:06d}.{ZONE.decode()}" for n in range(first, first + number)]
        for name in names:
            path = self.folder / "sites" / f"{name}.pem"
            if not path.exists():
                key, certificate = pki.leaf([name], *self._authority)
                # nginx reads it at each handshake, as the user it has dropped to.
                pki.write(path, key, certificate).chmod(0o644)
        return names

    def large_file(self, octets: int) -> tuple[str, int]:
        """A file of the origin's, of any octets: its path in URLs, and its CRC-32."""
        path = self.folder / "www" / LARGE.strip("/") / f"{octets}.bin"
        path.parent.mkdir(exist_ok=True)
        block = random.Random(octets).randbytes(BLOCK)  # noqa: S311 (it must repeat itself)
        checksum, left = 0, octets
        with path.open("wb") as file:
            while left:
                part = block[: min(left, BLOCK)]
                checksum = zlib.crc32(part, checksum)
                left -= file.write(part)
        return f"{LARGE}/{path.name}", checksum

    def put(self, path: str, body: bytes) -> None:
        """Serve these bytes there; below `PACKED` they are packed, and their path ends in .gz."""
        file = self.folder / "www" / path.lstrip("/")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(body)

    def contacts(self) -> Contacts:
        """All requests up to now, read from the origin's own log."""
        with (self.folder / "access.log").open("rb") as log:
            log.seek(self._log_offset)
            lines = log.read().splitlines(keepends=True)
        known = self._contacts
        requests, connections, resumed = known.requests, known.connections, known.resumed
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._log_offset += len(line)
            _, nth, reused = line.split()
            requests += 1
            connections += nth == b"1"
            resumed += nth == b"1" and reused == b"r"
        self._contacts = Contacts(requests, connections, resumed)
        return self._contacts

    def _write_certificates(self) -> None:
        (self.folder / "sites").mkdir()
        self._authority = ca_key, ca = pki.authority("Watchhouse bench origin authority")
        names = [self.host, f"*.{ZONE.decode()}"]
        pki.write(self.ca_file, ca).chmod(0o644)
        key, certificate = pki.leaf(names, ca_key, ca)
        pki.write(self.folder / "origin.pem", key, certificate)

    def _write_content(self) -> None:
        (self.folder / "www").mkdir()
        (self.folder / "www" / PAGE.lstrip("/")).write_bytes(BODY)

    def _start_name_server(self, place: Place) -> None:
        place.use_name_server(NAME_SERVER)
        place.start("nameserver", [place.python, nameserver.__file__, NAME_SERVER, "53"])
        limit = time.monotonic() + 10
        while True:
            try:
                socket.getaddrinfo(self.host, 443)
            except socket.gaierror as error:
                if time.monotonic() > limit:
                    raise SideError(f"the run's name server does not answer: {error}") from error
                time.sleep(0.05)
            else:
                return
