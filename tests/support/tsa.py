"""A real time-stamping authority: `openssl ts` behind a small HTTP server.

In: a folder. Out: its URL, its root; what it was asked.
Must never: stamp by anything else than openssl; it may be told to answer wrongly.
"""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CONF = """
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ts]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
certs = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Tsa:
    """The authority.

    Attributes:
        root: PEM file of its root.
        asked: requests so far.
        spoil: changes an answer before it is given: (status, content type, octets).
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.root = folder / "root.pem"
        self.asked = 0
        self.spoil: Callable[[bytes], tuple[int, str, bytes]] = lambda octets: (
            200,
            "application/timestamp-reply",
            octets,
        )
        (folder / "conf").write_text(_CONF.format(folder=folder))
        self._key("root")
        self._openssl("req", "-x509", "-key", "root.key", "-out", "root.pem", "-days", "30",
                      "-subj", "/CN=Root of tests", "-extensions", "root",
                      "-config", "conf")  # fmt: skip
        self._key("tsa")
        self._openssl("req", "-new", "-key", "tsa.key", "-subj", "/CN=TSA of tests",
                      "-out", "tsa.csr", "-config", "conf")  # fmt: skip
        self._openssl("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key",
                      "-set_serial", "2", "-days", "30", "-extfile", "conf", "-extensions", "tsa",
                      "-out", "tsa.pem")  # fmt: skip
        (folder / "serial").write_text("01")

    def _key(self, name: str) -> None:
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-out", f"{name}.key")  # fmt: skip

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)

    def answer(self, query: bytes) -> bytes:
        """What it says to a request."""
        self.asked += 1
        (self._folder / "query").write_bytes(query)
        self._openssl("ts", "-reply", "-config", "conf", "-section", "ts",
                      "-queryfile", "query", "-out", "reply")  # fmt: skip
        return (self._folder / "reply").read_bytes()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its URL, as long as it answers."""
        tsa = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                status, content_type, octets = tsa.spoil(tsa.answer(query))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/tsr"
            finally:
                server.shutdown()
                thread.join()
