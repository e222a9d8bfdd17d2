"""The settings of one gateway, frozen: what `config/watchhouse.yaml` says once it is checked.

In: nothing (settings/load.py fills these). Out: values that every room above reads.
Must never: hold a secret that the YAML could not (credentials come from the environment).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from proxy_addons.settings.audit import Audit
from proxy_addons.settings.content import Content
from proxy_addons.settings.log import Log
from proxy_addons.settings.people import (
    Certificate,
    Directory,
    Egress,
    Identity,
    Portal,
    Standing,
)
from proxy_addons.settings.retention import Retention
from proxy_addons.settings.shifts import Shifts

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.alerts import Alert, Webhook
    from proxy_addons.settings.feeds import Feed
    from proxy_addons.urlkey.carriers import Carriers

type Network4or6 = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP address: an IPv4 or IPv6 host (no brackets) or a name, and a port (0 to 65535)."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Listen:
    """`listen`: where the gateway and the portal are reached.

    Attributes:
        proxy: addresses of the proxy listener; the first is the one a PAC file names by default.
        portal: addresses of the portal.
        workers: number of worker processes, at least 1 (`auto` in YAML: one per core).
        proxy_tls: addresses at which the proxy itself is reached by TLS (`HTTPS` in a PAC file).
        portal_tls: addresses of the portal by TLS.
        certificate: what the listeners with TLS show.
    """

    proxy: tuple[Endpoint, ...]
    portal: tuple[Endpoint, ...]
    workers: int
    proxy_tls: tuple[Endpoint, ...] = ()
    portal_tls: tuple[Endpoint, ...] = ()
    certificate: Certificate = field(default_factory=Certificate)


@dataclass(frozen=True, slots=True)
class UpstreamProxy:
    """`network.upstream_proxy`: a parent proxy.

    Attributes:
        scheme: `http` or `https`.
        endpoint: its address.
        credentials: `user:password` from the environment variable that
            `network.upstream_proxy_credentials_env` names, or None. Never logged, never rendered.
    """

    scheme: str
    endpoint: Endpoint
    credentials: str | None = None

    def __repr__(self) -> str:
        return f"UpstreamProxy({self.scheme}://{self.endpoint.host}:{self.endpoint.port})"


@dataclass(frozen=True, slots=True)
class Network:
    """`network`: how the gateway reaches the web, and where it must not go.

    Attributes:
        upstream_proxy: a parent proxy, or None to connect directly.
        allow_ports: ports to which CONNECT is allowed.
        allow_http_ports: ranges (first, last) of ports that plain HTTP may go to.
        allow_methods: HTTP methods of requests that are let through, as sent.
        via: what requests sent on say of us in `Via`: `auto`, `off` or a pseudonym.
        look_up_refused: whether the addresses of refused names are looked up and refused too.
        deny_destinations: networks refused after name resolution.
        intranet_networks: networks exempt from `deny_destinations`.
        intranet_names: domain suffixes that the PAC file sends direct.
        dns_servers: name servers to ask instead of the system's; empty for the system's.
        connect_timeout: seconds to reach a server.
        idle_timeout: seconds without a byte after which a connection is closed.
        relay_lane: whether what needs nothing of the generic HTTP layer goes past it.
        egress: ways out of their own for single profiles.
    """

    upstream_proxy: UpstreamProxy | None
    allow_ports: frozenset[int]
    allow_http_ports: tuple[tuple[int, int], ...]
    allow_methods: frozenset[str]
    via: str
    look_up_refused: bool
    deny_destinations: tuple[Network4or6, ...]
    intranet_networks: tuple[Network4or6, ...]
    intranet_names: tuple[str, ...]
    dns_servers: tuple[Endpoint, ...]
    connect_timeout: float
    idle_timeout: float
    relay_lane: bool
    egress: tuple[Egress, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """`limits`: what one message, client or worker may take up. All are per worker.

    Attributes:
        head_bytes: bytes of a head (first line and fields).
        head_fields: fields in a head.
        url_bytes: bytes of a request's address.
        head_timeout: seconds for a whole request head once its first byte has come.
        first_byte_timeout: seconds from a request's end to the head of its answer.
        body_timeout: seconds without a byte in the middle of a body.
        handshake_timeout: seconds from an accepted CONNECT to TLS inside it.
        http2_streams: requests at a time on one HTTP/2 connection of a client.
        client_connections: connections of one client address.
        client_handshakes: its tunnels in which TLS is not yet agreed on.
        client_tunnels: its tunnels.
        worker_memory: MiB of a worker's memory above which it sheds load; 0 stands for `auto`.
    """

    head_bytes: int
    head_fields: int
    url_bytes: int
    head_timeout: float
    first_byte_timeout: float
    body_timeout: float
    handshake_timeout: float
    http2_streams: int
    client_connections: int
    client_handshakes: int
    client_tunnels: int
    worker_memory: int


@dataclass(frozen=True, slots=True)
class Tls:
    """`tls`: what is trusted upstream, and what is never decrypted.

    Attributes:
        http2: whether browsers are offered HTTP/2 on inspected connections.
        trusted_ca_file: PEM file added to the system's trust store, or None.
        never_inspect_categories: categories that are spliced.
        never_inspect_hosts: canonical hosts whose connections, and their subdomains', are spliced.
    """

    http2: bool
    trusted_ca_file: Path | None
    never_inspect_categories: frozenset[str]
    never_inspect_hosts: frozenset[str]


@dataclass(frozen=True, slots=True)
class AddressEntry:
    """One entry of `identity.addresses`: who uses a client address or network.

    The most specific network that contains an address wins.
    """

    network: Network4or6
    person: str
    profile: str


@dataclass(frozen=True, slots=True)
class Page:
    """`page`: what the force says on every page of ours.

    Attributes:
        organisation: name of the force.
        contact: whom to ask, in plain words (service desk, telephone number).
        monitoring_notice: the notice that use is monitored (Inf/27 3.2, 3.8).
        portal: URL of the portal as browsers reach it, without a slash at its end; None: pages
            have no link to it.
    """

    organisation: str
    contact: str
    monitoring_notice: str
    portal: str | None = None


@dataclass(frozen=True, slots=True)
class Pac:
    """`pac`: what the PAC file hands out.

    Attributes:
        proxies: `host:port` strings in the form a browser reaches them; empty: derived from
            `listen.proxy` (and, for a wildcard address, from the Host of the PAC request).
    """

    proxies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are on disk, all absolute.

    Attributes:
        config_dir: the folder that `watchhouse.yaml` and `policy.yaml` came from.
        categories_dir: list sources in squidGuard layout: `starter/` and `local/` (imported ones
            are in the data folder, see `imported_lists_dir`).
        data_dir: everything the gateway writes.
    """

    config_dir: Path
    categories_dir: Path
    data_dir: Path

    @property
    def index_file(self) -> Path:
        """The compiled category index."""
        return self.data_dir / "categories.index"

    @property
    def imported_lists_dir(self) -> Path:
        """Where `watchhouse categories import` keeps what it imported."""
        return self.data_dir / "lists"

    @property
    def sealed_dir(self) -> Path:
        """Sealed segments, and the signed log of them."""
        return self.data_dir / "log" / "sealed"

    @property
    def parquet_dir(self) -> Path:
        """Parquet of what was sealed, to search in."""
        return self.data_dir / "log" / "parquet"

    @property
    def seal_key(self) -> Path:
        """The key that log is signed with; beside it, as `.pub`, what others check it with."""
        return self.data_dir / "log" / "keys" / "seal"

    @property
    def access_log_dir(self) -> Path:
        """Segments of the access log."""
        return self.data_dir / "log" / "access"

    @property
    def ca_dir(self) -> Path:
        """The inspection authority: `ca.pem` (public) and `ca.key` (0600)."""
        return self.data_dir / "ca"

    @property
    def listening_leaf(self) -> Path:
        """Key and certificate of our own for listeners with TLS (0600), where none is set."""
        return self.ca_dir / "listening.pem"

    @property
    def desk_socket(self) -> Path:
        """Where the desk is asked about records (audit/desk)."""
        return self.run_dir / "desk"

    @property
    def packs_dir(self) -> Path:
        """Evidence packs that were made."""
        return self.data_dir / "log" / "packs"

    @property
    def run_dir(self) -> Path:
        """State of the running processes: pid files, worker metrics."""
        return self.data_dir / "run"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one gateway, with its compiled policy.

    Attributes:
        policy: the compiled `policy.yaml`.
        carriers: sites that show other sites under their own name (`carriers.yaml`).
        policy_version: short hash over all configuration files, as in every log record.
        run_as: `user` or `user:group` to become when started as root; None for the user
            `watchhouse` where there is one.
        directory: what knows people's groups.
        standing: where exemptions and withdrawals are kept.
        portal: who may sign in to the portal.
        shifts: breaks, allowances, coaching, the statement (`personal_use`).
        content: scanners, and how far bodies are looked into (`content`).
        audit: authority to look at the access log (`audit`).
        log: what becomes of the access log (`log`).
        feeds: where the access log is delivered to.
        retention: how long what is over is kept (`audit.retention`).
        alerts: when Professional Standards is told of something.
        alert_webhooks: who is told by HTTPS.
        watch: whether changed files are taken into use by themselves (`reload.watch`).
    """

    listen: Listen
    network: Network
    limits: Limits
    tls: Tls
    identity: Identity
    page: Page
    pac: Pac
    paths: Paths
    policy: Policy
    carriers: Carriers
    policy_version: str
    run_as: str | None = None
    directory: Directory = field(default_factory=Directory)
    standing: Standing = field(default_factory=Standing)
    portal: Portal = field(default_factory=Portal)
    shifts: Shifts = field(default_factory=Shifts)
    content: Content = field(default_factory=Content)
    audit: Audit = field(default_factory=Audit)
    log: Log = field(default_factory=Log)
    feeds: tuple[Feed, ...] = ()
    retention: Retention = field(default_factory=Retention)
    alerts: tuple[Alert, ...] = ()
    alert_webhooks: tuple[Webhook, ...] = ()
    watch: bool = True

    @property
    def listening_files(self) -> tuple[Path, Path]:
        """Chain and key that listeners with TLS show: the operator's, or our own leaf."""
        certificate = self.listen.certificate
        leaf = self.paths.listening_leaf
        return certificate.chain or leaf, certificate.key or certificate.chain or leaf
