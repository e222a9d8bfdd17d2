"""The rows of the table of settings about content: scanners, archives, copies, addresses.

In: nothing. Out: rows for table.py. content.py says what the values mean in the program,
content_build.py what must fit together.
Must never: say what is refused: that is policy.yaml's.
"""

from __future__ import annotations

from proxy_addons.settings.content_kinds import ClamdServer, IcapUrl
from proxy_addons.settings.kinds import Flag, ListOf, Seconds, Text, Whole
from proxy_addons.settings.netkinds import Host
from proxy_addons.settings.setting import Setting

_TEBIBYTE = 1 << 20  # in MiB
# clamd looks at nothing that is larger (clamd.conf(5), MaxFileSize).
_CLAMD_LARGEST = 2047  # MiB

CONTENT: tuple[Setting, ...] = (
    Setting(
        "content.largest",
        Whole(1, _TEBIBYTE),
        512,
        "MiB of a body that is kept back until it has been looked at; a larger one counts as one"
        " that nobody could look at.",
    ),
    Setting(
        "content.held.folder",
        Text("the path of a folder"),
        None,
        "Where bodies are kept that are larger than a megabyte, in files without a name, until they"
        " have been looked at; relative to the data folder. Without it in its folder `held`.",
    ),
    Setting(
        "content.held.memory",
        Whole(1, _TEBIBYTE),
        64,
        "MiB of all bodies that are kept back in memory, in each worker; beyond that the smaller"
        " ones go to files too.",
    ),
    Setting(
        "content.held.disk",
        Whole(1, _TEBIBYTE),
        4096,
        "MiB of all bodies that are kept back in files, in each worker; one that has no room counts"
        " as one that nobody could look at.",
    ),
    Setting(
        "content.held.each",
        Whole(1, 10_000),
        4,
        "Bodies in files of one person at a time, in each worker; further ones wait.",
    ),
    Setting(
        "content.trickle.after",
        Seconds(0, 600),
        10,
        "Seconds after which a client that waits for a body gets some bytes of it, again and again;"
        " 0: none.",
    ),
    Setting(
        "content.trickle.bytes",
        Whole(1, 1024),
        1,
        "How many bytes, each time; never more than a hundredth of what has come.",
    ),
    Setting(
        "content.force_domains",
        ListOf(Host(), one=True),
        (),
        "Domains of the force's e-mail addresses, with all below them.",
    ),
    Setting(
        "content.clamd.servers",
        ListOf(ClamdServer(), one=True),
        (),
        "Where ClamAV's daemons listen; the first that answers is asked.",
    ),
    Setting(
        "content.clamd.timeout",
        Seconds(0.1, 600),
        30,
        "Seconds for each step: to reach a server, to hand some bytes over, and from the last byte"
        " to the answer.",
    ),
    Setting(
        "content.clamd.connections",
        Whole(1, 256),
        8,
        "Bodies at a time to each server, by each worker.",
    ),
    Setting(
        "content.clamd.largest",
        Whole(1, _CLAMD_LARGEST),
        100,
        "MiB of a body that clamd is given; a larger one counts as not scanned.",
    ),
    Setting(
        "content.clamd.limit_alerts",
        Flag(),
        "true",
        "Whether a server is relied on only if it says so when it looked at a part of a file"
        " (`AlertExceedsMax` in clamd.conf).",
    ),
    Setting(
        "content.icap.url",
        IcapUrl(),
        None,
        "A scanner that speaks ICAP (RFC 3507, RESPMOD).",
    ),
    Setting("content.icap.timeout", Seconds(0.1, 600), 30, "As of clamd."),
    Setting(
        "content.icap.connections",
        Whole(1, 256),
        8,
        "Bodies at a time, by each worker.",
    ),
    Setting(
        "content.icap.largest",
        Whole(1, _TEBIBYTE),
        100,
        "MiB of a body that the scanner is given; a larger one counts as not scanned.",
    ),
    Setting(
        "content.icap.preview",
        Flag(),
        "true",
        "Whether the scanner may judge by the beginning of a body, if it wishes to.",
    ),
    Setting("content.archives.depth", Whole(1, 50), 5, "Archives in archives that are opened."),
    Setting(
        "content.archives.members",
        Whole(1, 10_000_000),
        10_000,
        "Files in an archive, at any depth, that are looked at.",
    ),
    Setting(
        "content.archives.size",
        Whole(1, _TEBIBYTE),
        1024,
        "MiB of all that is unpacked of one body.",
    ),
    Setting(
        "content.archives.ratio",
        Whole(2, 100_000),
        200,
        "How many times the size of an archive what is unpacked of it may have.",
    ),
    Setting(
        "content.archives.seconds",
        Seconds(0.1, 600),
        30,
        "Seconds of processor time for one body.",
    ),
    Setting(
        "content.archives.processes",
        Whole(1, 64),
        2,
        "Processes that look into archives and documents, for each worker.",
    ),
    Setting(
        "content.quarantine.folder",
        Text("the path of a folder"),
        None,
        "Where copies are kept of what a virus was found in; relative to the data folder. Without"
        " it none are.",
    ),
    Setting(
        "content.quarantine.size",
        Whole(1, _TEBIBYTE),
        1024,
        "MiB of all copies; the oldest go first.",
    ),
    Setting("content.quarantine.days", Whole(1, 3660), 30, "Days for which a copy is kept."),
)
