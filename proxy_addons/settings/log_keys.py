"""The rows of the table of settings about the access log: sealing, witnesses, time-stamps, room.

In: nothing. Out: rows for table.py. log.py says what the values mean in the program.
Must never: say who may read the log.
"""

from __future__ import annotations

from proxy_addons.settings.kinds import ListOf, Pattern, Seconds, Text, Whole
from proxy_addons.settings.log_kinds import ServiceUrl, WitnessKind
from proxy_addons.settings.setting import Setting

LOG: tuple[Setting, ...] = (
    Setting(
        "log.origin",
        Pattern(r"[^\s+]{1,200}", "a name without spaces and plus signs, like an address"),
        None,
        "Name of the log of the seals, for the key that is made at the first seal.",
    ),
    Setting(
        "log.seal_every",
        Seconds(1, 86400),
        3600,
        "Seconds between two seals.",
    ),
    Setting(
        "log.seal_after",
        Seconds(0, 86400),
        300,
        "Seconds after the full hour at which a seal begins.",
    ),
    Setting(
        "log.keep_plain",
        Whole(1, 36500),
        7,
        "Days for which segments stay as they were written once they are sealed.",
    ),
    Setting(
        "log.witnesses",
        ListOf(WitnessKind(), one=True),
        (),
        "Witnesses that are asked to sign each checkpoint: URL and public key.",
    ),
    Setting(
        "log.timestamps.url",
        ServiceUrl(),
        None,
        "A time-stamping authority (RFC 3161) that stamps each checkpoint.",
    ),
    Setting(
        "log.timestamps.certificate",
        Text("the path of a PEM file"),
        None,
        "Certificates of the roots that time-stamps are checked with; relative to the configuration"
        " folder.",
    ),
)
