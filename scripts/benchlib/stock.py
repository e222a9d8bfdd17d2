"""Stock mitmdump: the engine as it comes, without addons of ours.

In: the run's place and origin. Out: a running mitmdump.
Must never: load an addon, or anything of this project.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING, ClassVar, override

from benchlib.side import AbsentError, Side, plain_environment

if TYPE_CHECKING:
    from pathlib import Path

    from benchlib.origin import Origin
    from benchlib.place import Place, Program


class Mitmdump(Side):
    """Stock mitmdump, without addons of ours."""

    name = "mitmdump"
    what = "mitmdump -q, no addons"
    splices = True
    # What is set beyond the defaults, for a scenario of its own.
    extra: ClassVar[dict[str, str]] = {}

    @property
    @override
    def ca_file(self) -> Path:
        return self.folder / "mitmproxy-ca-cert.pem"

    @override
    def installed(self) -> str:
        try:
            return metadata.version("mitmproxy")
        except metadata.PackageNotFoundError as error:
            raise AbsentError("mitmproxy is not installed in this Python") from error

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        host, port = self.address
        options = ["-q", "--listen-host", host, "--listen-port", str(port)]
        settings = {
            "confdir": self.folder,
            "ssl_verify_upstream_trusted_ca": origin.ca_file,
            "ignore_hosts": f"^{re.escape(origin.splice_host)}",
            **self.extra,
        }
        for key, value in settings.items():
            options += ["--set", f"{key}={value}"]
        run = "from mitmproxy.tools.main import mitmdump; mitmdump()"
        command = [sys.executable, "-c", run, *options]
        return place.start(self.name, command, proxy=True, environ=plain_environment())


class MitmdumpStreaming(Mitmdump):
    """The same, told to stream large bodies: without that it holds a download in memory."""

    name = "mitmdump-streaming"
    what = "mitmdump -q, no addons, stream_large_bodies=1m"
    extra: ClassVar[dict[str, str]] = {"stream_large_bodies": "1m"}
