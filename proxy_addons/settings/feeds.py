"""`feeds`: where the access log is delivered to, frozen.

In: nothing (settings/feeds_build.py fills these). Out: values that accesslog/feeds reads.
Must never: show a secret when it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

KINDS: Final = ("syslog", "https", "file")
FORMATS: Final = ("rfc5424", "ecs", "ocsf")
BODIES: Final = ("ndjson", "array")
CONFIRMATIONS: Final = ("tls", "tcp")
BEGINNINGS: Final = ("now", "beginning")
DEEDS: Final = ("query", "host", "drop", "hash")

KEPT_UNDER_ANY_MASK: Final = ("schema", "event", "id", "worker", "seq", "start")
"""Fields by which a receiver tells records apart. They say nothing of anybody's browsing."""

_OF_THE_REQUEST: Final = (
    *("duration_ms", "person", "person_how", "claimed", "client_ip", "client_port"),
    *("action", "profile", "exemption", "handling", "status", "bytes_up", "bytes_down"),
    *("list_version", "policy_version", "altered", "balancer_ip", "states", "counted"),
    "opened",
)
WHERE_IT_WENT: Final = (
    *("kind", "method", "url", "host", "port", "sni", "judged_host", "categories", "rule"),
    *("clause", "reason", "content_type", "server_ip", "server_port", "error", "findings"),
    *("virus", "members", "changed", "would_block"),
)
"""Fields that tell which site it was, or what came from it; what a rule without `fields` masks."""

MASKABLE: Final = (*_OF_THE_REQUEST, *WHERE_IT_WENT)

SPECIAL: Final = (
    *("health", "self-help", "banking", "religion", "unions", "politics", "charity"),
    *("dating", "adult", "legal"),
)
"""Categories that tell of health, money, belief, union, opinion, sexual life or legal advice (UK
GDPR articles 9 and 10, and what a person may expect to stay private)."""


@dataclass(frozen=True, slots=True)
class MaskRule:
    """One rule of a mask. All rules are applied, in their order.

    Attributes:
        deed: `query`: the URL without its query and fragment; `host`: the URL cut to scheme and
            host; `drop`: nothing is left; `hash`: HMAC-SHA256 with the feed's key.
        fields: the fields it is about.
        categories: records in any of these only; None: all records.
    """

    deed: str
    fields: tuple[str, ...]
    categories: frozenset[str] | None = None


DEFAULT_MASK: Final = (
    MaskRule("query", ("url",)),
    MaskRule("drop", WHERE_IT_WENT, frozenset(SPECIAL)),
)
"""What holds where a feed says nothing of masking."""


@dataclass(frozen=True, slots=True)
class FeedTls:
    """How a receiver is known, and how we are known to it. Names are always checked.

    Attributes:
        ca_file: PEM file of the authorities that are trusted, and no others; None: the system's.
        certificate: our certificate with its chain, PEM; None: we show none.
        key: its key; None: it is in the same file.
        name: the name that the receiver's certificate must have; empty: the address's.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed.

    Attributes:
        name: its id; positions are kept under it.
        kind: `syslog`, `https` or `file`.
        format: `rfc5424`, `ecs` or `ocsf`.
        host: of a syslog receiver.
        port: of a syslog receiver.
        url: of an HTTPS receiver.
        path: of a file.
        tls: see `FeedTls`.
        token: bearer token, a secret; empty: none.
        body: `ndjson` or `array`.
        mask: see `MaskRule`.
        mask_key: key of `hash`, a secret.
        beginning: `now` or `beginning`: where a feed that is new begins.
        records: most records in a batch.
        timeout: seconds without progress after which an attempt counts as failed.
        largest: octets of a syslog message.
        confirm: `tls`: a syslog receiver confirms by its close_notify; `tcp`: an orderly end of TCP
            is enough.
        resend: seconds of what a syslog receiver has read that are sent again, marked, after it was
            cut off.
        enterprise: number of the force in the name of the structured data (RFC 5424 7.2.2).
        behind: seconds of lag from which the health page calls it behind.
    """

    name: str
    kind: str
    format: str
    host: str = ""
    port: int = 6514
    url: str = ""
    path: Path | None = None
    tls: FeedTls = field(default_factory=FeedTls)
    token: str = field(default="", repr=False)
    body: str = "ndjson"
    mask: tuple[MaskRule, ...] = DEFAULT_MASK
    mask_key: bytes = field(default=b"", repr=False)
    beginning: str = "now"
    records: int = 1000
    timeout: float = 30.0
    largest: int = 8192
    confirm: str = "tls"
    resend: float = 5.0
    enterprise: int = 32473
    behind: float = 300.0

    @property
    def resend_window(self) -> float:
        """Seconds as of `resend`; other ways than syslog need none."""
        return self.resend if self.kind == "syslog" else 0.0
