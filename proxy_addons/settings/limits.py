"""The rows of the table of settings under `limits`: what one client, message or worker may take up.

In: nothing. Out: `LIMITS`. Must never: allow a limit to be switched off (a large number is a
decision that can be seen in the file).
"""

from __future__ import annotations

from proxy_addons.settings.entries import NumberOr
from proxy_addons.settings.kinds import Seconds, Whole
from proxy_addons.settings.setting import Setting

_COUNT = Whole(1, 1_000_000)

LIMITS: tuple[Setting, ...] = (
    Setting(
        "limits.head_bytes",
        Whole(4096, 1 << 20),
        262144,
        "Bytes of the head (first line and fields) of a request or an answer.",
    ),
    Setting(
        "limits.head_fields", Whole(10, 10000), 200, "Fields in the head of a request or an answer."
    ),
    Setting("limits.url_bytes", Whole(256, 1 << 16), 16384, "Bytes of a request's address."),
    Setting(
        "limits.head_timeout",
        Seconds(0.1, 3600),
        30,
        "Seconds for a whole request head, from its first byte.",
    ),
    Setting(
        "limits.first_byte_timeout",
        Seconds(0.1, 86400),
        120,
        "Seconds from the end of a request to the head of its answer.",
    ),
    Setting(
        "limits.body_timeout",
        Seconds(0.1, 86400),
        60,
        "Seconds without a byte in the middle of a body.",
    ),
    Setting(
        "limits.handshake_timeout",
        Seconds(0.1, 600),
        15,
        "Seconds from an accepted CONNECT until TLS is agreed on inside it.",
    ),
    Setting(
        "limits.http2_streams",
        Whole(1, 1000),
        100,
        "Requests at a time on one HTTP/2 connection of a client.",
    ),
    Setting(
        "limits.client_connections",
        _COUNT,
        1000,
        "Connections of one client address to one worker.",
    ),
    Setting(
        "limits.client_handshakes",
        _COUNT,
        200,
        "Accepted CONNECTs of one client address to one worker in which TLS is not yet agreed on.",
    ),
    Setting(
        "limits.client_tunnels",
        _COUNT,
        1000,
        "Tunnels (accepted CONNECTs) of one client address to one worker.",
    ),
    Setting(
        "limits.worker_memory",
        NumberOr("auto", 128, 1 << 20),
        "auto",
        "MiB of memory of one worker above which it takes no new requests; `auto` is its share of"
        " 60 % of what the machine or container has, at most 2048.",
    ),
)
