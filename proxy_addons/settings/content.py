"""Settings of content: scanners, limits on what is looked into, the copies that are kept.

In: nothing. Out: frozen values, as watchhouse.yaml's section `content` has them.
Must never: do I/O.

What is refused because of a finding is the policy's (policy.yaml, `when: file_type` and its kin).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Clamd:
    """`content.clamd`: ClamAV's daemon (Inf/27 5.1).

    Attributes:
        servers: `unix:/path` or `host:port`, tried in this order; empty: there is none.
        timeout: seconds in which a server has to answer, after the last byte was sent.
        connections: at a time to each server, by each worker.
        largest: bytes of a body that it is given; must not be more than its StreamMaxLength.
        limit_alerts: whether a server is relied on only if it says so when it looked at a part
            (AlertExceedsMax).
    """

    servers: tuple[str, ...] = ()
    timeout: float = 30.0
    connections: int = 8
    largest: int = 100 * MEBIBYTE
    limit_alerts: bool = True


@dataclass(frozen=True, slots=True)
class Icap:
    """`content.icap`: a scanner that speaks ICAP (RFC 3507), with RESPMOD.

    Attributes:
        url: `icap://host:port/service`; None: there is none.
        timeout: as of clamd.
        connections: as of clamd.
        largest: as of clamd.
        preview: whether it may judge by the beginning of a body, if it wishes to.
    """

    url: str | None = None
    timeout: float = 30.0
    connections: int = 8
    largest: int = 100 * MEBIBYTE
    preview: bool = True


@dataclass(frozen=True, slots=True)
class Archives:
    """`content.archives`: how far archives are looked into.

    Attributes:
        depth: archives in archives.
        members: files in all, at any depth.
        size: bytes of all that is unpacked.
        ratio: times the size of the archive that what is unpacked may have.
        seconds: of processor time.
        processes: that look, for each worker.
    """

    depth: int = 5
    members: int = 10_000
    size: int = 1024 * MEBIBYTE
    ratio: int = 200
    seconds: float = 30.0
    processes: int = 2


@dataclass(frozen=True, slots=True)
class Quarantine:
    """`content.quarantine`: copies of what a virus was found in.

    Attributes:
        folder: None: no copies are kept.
        size: bytes of all copies; the oldest go first.
        days: for which a copy is kept.
    """

    folder: Path | None = None
    size: int = 1024 * MEBIBYTE
    days: int = 30


@dataclass(frozen=True, slots=True)
class Held:
    """`content.held`: where bodies are until they have been looked at, for each worker.

    Attributes:
        folder: for files without a name, and for what is unpacked; None: `held` in the data
            folder.
        memory: bytes of all bodies that are in memory.
        disk: bytes of all bodies that are in files.
        each: bodies in files of one person, at a time; further ones wait.
    """

    folder: Path | None = None
    memory: int = 64 * MEBIBYTE
    disk: int = 4096 * MEBIBYTE
    each: int = 4


@dataclass(frozen=True, slots=True)
class Trickle:
    """`content.trickle`: what a client gets of a body that is kept back.

    Attributes:
        after: seconds without a byte after which it gets some; 0: none before all may go.
        bytes: how many, each time.
    """

    after: float = 10.0
    bytes: int = 1


@dataclass(frozen=True, slots=True)
class Content:
    """`content`.

    Attributes:
        clamd: ClamAV's daemon.
        icap: another scanner.
        archives: how far they are looked into.
        quarantine: copies.
        held: where bodies are until they have been looked at.
        trickle: what a client gets meanwhile.
        largest: bytes of a body that is kept back until it has been looked at; a larger one counts
            as unscanned, and as an archive that is too large.
        force_domains: domains of the force's e-mail addresses, with all below them.
    """

    clamd: Clamd = field(default_factory=Clamd)
    icap: Icap = field(default_factory=Icap)
    archives: Archives = field(default_factory=Archives)
    quarantine: Quarantine = field(default_factory=Quarantine)
    held: Held = field(default_factory=Held)
    trickle: Trickle = field(default_factory=Trickle)
    largest: int = 512 * MEBIBYTE
    force_domains: tuple[str, ...] = ()
