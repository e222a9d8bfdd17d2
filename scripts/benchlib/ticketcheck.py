"""Our acceptor of tickets as a program that speaks as Squid's helpers do.

In: lines `YR TOKEN` (base64). Out: lines `AF ANSWER NAME`, or `NA PROBLEM`. Run as a process of its
own: `python -m benchlib.ticketcheck KEYTAB`.
Must never: do more than a worker does for a token, or less.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

from proxy_addons.identity.kerberos import Acceptor, decode
from proxy_addons.identity.proof import Rejection
from proxy_addons.settings.people import Kerberos


async def serve(keytab: str) -> None:
    """Answer until the input ends."""
    acceptor = Acceptor(Kerberos(keytab=Path(keytab)))
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        token = decode(line.decode("ascii").removeprefix("YR ").strip())
        outcome = token if isinstance(token, Rejection) else await acceptor.accept(token)
        if isinstance(outcome, Rejection):
            answer = f"NA {outcome.problem}"
        else:
            answer = f"AF {base64.b64encode(outcome.answer).decode('ascii')} {outcome.name}"
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
    acceptor.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
