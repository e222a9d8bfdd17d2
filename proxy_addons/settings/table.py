"""The table of settings: every key of `watchhouse.yaml`, what it holds, its default, its meaning.

In: nothing. Out: `SETTINGS`. Reading (read_table.py), the environment variables, the options and
the test that holds docs/configuration.md to it all go by this one tuple.
Must never: say twice what a key is.
"""

from __future__ import annotations

from proxy_addons.settings.alerts_keys import ALERTS
from proxy_addons.settings.audit_keys import AUDIT
from proxy_addons.settings.condition_kinds import METHOD
from proxy_addons.settings.content_keys import CONTENT
from proxy_addons.settings.entries import CATEGORY, NumberOr
from proxy_addons.settings.feeds_keys import FEEDS
from proxy_addons.settings.kinds import Flag, ListOf, Named, Pattern, Seconds, Text
from proxy_addons.settings.limits import LIMITS
from proxy_addons.settings.log_keys import LOG
from proxy_addons.settings.netkinds import (
    PORT,
    Address,
    Host,
    Net,
    NetOrHost,
    PacProxy,
    Ports,
    Proxy,
    SecretVariable,
)
from proxy_addons.settings.people_keys import DIRECTORY, IDENTITY, PORTAL, STANDING
from proxy_addons.settings.people_kinds import EgressKind, ListenName, SiteUrl
from proxy_addons.settings.retention_keys import RETENTION
from proxy_addons.settings.setting import Setting
from proxy_addons.settings.shifts_keys import PERSONAL_USE

# After name resolution nothing here is connected to, unless `network.intranet` lists it. The
# documentation networks 192.0.2.0/24, 198.51.100.0/24 and 203.0.113.0/24 are left out on purpose:
# nothing of anybody's is there, and examples and tests use them.
DENIED_DESTINATIONS = (
    "0.0.0.0/8",  # "this network"; Linux connects 0.0.0.0 to itself (RFC 1122)
    "10.0.0.0/8",  # private (RFC 1918)
    "100.64.0.0/10",  # carrier-grade NAT (RFC 6598); some clouds' metadata
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # Azure's wire server, a metadata address outside the private ranges
    "169.254.0.0/16",  # link-local (RFC 3927); most clouds' metadata
    "172.16.0.0/12",  # private (RFC 1918)
    "192.0.0.0/24",  # IETF protocol assignments (RFC 6890); one cloud's metadata
    "192.168.0.0/16",  # private (RFC 1918)
    "198.18.0.0/15",  # benchmarking (RFC 2544)
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "::/128",  # unspecified; Linux connects it to itself
    "::1/128",  # loopback
    "2001::/32",  # Teredo (RFC 4380): hides an IPv4 address; nobody's servers are there
    "::/96",  # IPv4-compatible, deprecated (RFC 4291)
    "64:ff9b:1::/48",  # local-use NAT64 (RFC 8215): a network's own way to IPv4, private ones too
    "fc00::/7",  # unique local (RFC 4193)
    "fd00:ec2::254/128",  # AWS metadata over IPv6, within the above; named so that it stays if not
    "fe80::/10",  # link-local
    "fec0::/10",  # site-local, deprecated (RFC 3879)
    "ff00::/8",  # multicast
)

# What browsers and programs of an office need: RFC 9110 (without TRACE, which shows a server's view
# of credentials, and CONNECT, which opens tunnels), PATCH (RFC 5789), QUERY, and of WebDAV
# (RFC 4918, 3253, 3744, 5323) and CalDAV (RFC 4791) what SharePoint, Outlook and calendars use.
ALLOWED_METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "REPORT",
    "MKCALENDAR",
    "ACL",
    "MERGE",
)


_ENDPOINTS = ListOf(Address(first_port=0), one=True, least=1)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "listen.proxy",
        _ENDPOINTS,
        ("127.0.0.1:8080",),
        "Where browsers reach the proxy. The first address is what the PAC file names by itself.",
    ),
    Setting("listen.portal", _ENDPOINTS, ("127.0.0.1:8081",), "Where the portal is reached."),
    Setting(
        "listen.proxy_tls",
        ListOf(Address(first_port=0), one=True),
        (),
        "Where browsers reach the proxy by TLS; the PAC file then names it first.",
    ),
    Setting(
        "listen.portal_tls",
        ListOf(Address(first_port=0), one=True),
        (),
        "Where the portal is reached by TLS.",
    ),
    Setting(
        "listen.certificate",
        Text("the path of a PEM file"),
        None,
        "Certificate of the TLS listeners, with its chain; without it, one of the inspection"
        " authority's.",
    ),
    Setting("listen.key", Text("the path of a PEM file"), None, "Its key."),
    Setting(
        "listen.names",
        ListOf(ListenName(), one=True),
        (),
        "Host names and addresses that clients reach this gateway by; the first is the one that"
        " the PAC file names.",
    ),
    Setting(
        "listen.workers",
        NumberOr("auto", 1, 256),
        "auto",
        "Worker processes; `auto` is one for each core.",
    ),
    Setting(
        "network.upstream_proxy",
        Proxy(),
        None,
        "A parent proxy through which everything goes; without it the gateway connects directly.",
    ),
    Setting(
        "network.upstream_proxy_credentials_env",
        SecretVariable(),
        None,
        "Environment variable that holds `user:password` for the parent proxy.",
    ),
    Setting(
        "network.allow_ports",
        ListOf(PORT, one=True, least=1),
        (443,),
        "Ports to which CONNECT may open a tunnel.",
    ),
    Setting(
        "network.allow_http_ports",
        ListOf(Ports(), one=True, least=1),
        (80, 443, "1024-65535"),
        "Ports that plain HTTP may go to.",
    ),
    Setting(
        "network.allow_methods",
        ListOf(METHOD, one=True, least=1),
        ALLOWED_METHODS,
        "HTTP methods of requests that are let through.",
    ),
    Setting(
        "network.deny_destinations",
        ListOf(Net()),
        DENIED_DESTINATIONS,
        "Networks that are refused after name resolution, so that no name leads inside.",
    ),
    Setting(
        "network.intranet",
        ListOf(NetOrHost()),
        (),
        "Networks exempt from `network.deny_destinations`, and domains that browsers reach without"
        " the proxy (through the PAC file).",
    ),
    Setting(
        "network.dns_servers",
        ListOf(Address(default_port=53, names=False), one=True),
        (),
        "Name servers to ask instead of the system's.",
    ),
    Setting(
        "network.look_up_refused",
        Flag(),
        "true",
        "Whether the addresses of names that the policy refused are looked up, so that they are"
        " refused too.",
    ),
    Setting(
        "network.via",
        Pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "auto, off, or a pseudonym such as force-7"),
        "auto",
        "What requests say of this gateway in `Via`, by which it notices loops.",
    ),
    Setting("network.connect_timeout", Seconds(0.1, 600), 10, "Seconds to reach a server."),
    Setting(
        "network.idle_timeout",
        Seconds(1, 86400),
        600,
        "Seconds without a byte after which a connection is closed.",
    ),
    Setting(
        "network.relay_lane",
        Flag(),
        "true",
        "Whether requests that need nothing of mitmproxy's generic HTTP layer go past it, which is"
        " several times quicker; the rules and records are the same.",
    ),
    Setting(
        "network.egress",
        ListOf(EgressKind()),
        (),
        "Ways out of their own for single profiles: another address or parent proxy.",
        textual=False,
    ),
    *LIMITS,
    Setting(
        "tls.http2",
        Flag(),
        "false",
        "Whether inspected connections offer HTTP/2 to browsers; without it they speak HTTP/1.1,"
        " which costs the gateway a fraction.",
    ),
    Setting(
        "tls.trusted_ca_file",
        Text("the path of a PEM file"),
        None,
        "Certificates trusted in addition to the system's; relative to the configuration folder.",
    ),
    Setting(
        "tls.never_inspect.categories",
        ListOf(Named(CATEGORY)),
        ("banking", "health", "self-help"),
        "Categories that stay encrypted end to end: decided and logged by host only.",
    ),
    Setting(
        "tls.never_inspect.hosts",
        ListOf(Host()),
        (),
        "Hosts, with their subdomains, that stay encrypted end to end.",
    ),
    *IDENTITY,
    *DIRECTORY,
    *STANDING,
    *PORTAL,
    *PERSONAL_USE,
    *CONTENT,
    *AUDIT,
    *RETENTION,
    *LOG,
    *FEEDS,
    *ALERTS,
    Setting("page.organisation", Text(), "Sample Constabulary", "Name of the force."),
    Setting(
        "page.contact",
        Text(),
        "the ICT service desk",
        "Whom to ask: a service desk, a telephone number.",
    ),
    Setting(
        "page.portal",
        SiteUrl("https://host/ of the portal, as browsers reach it (http only on this machine)"),
        None,
        "The portal, for a link to My browsing on refused pages.",
    ),
    Setting(
        "page.monitoring_notice",
        Text(),
        "All use of this system is monitored and recorded; there is no expectation of privacy."
        " Records may be used in administrative, misconduct and criminal proceedings.",
        "The notice on every page of ours (Inf/27 3.2, 3.8).",
    ),
    Setting(
        "pac.proxies",
        ListOf(PacProxy(), one=True),
        (),
        "Proxies that the PAC file hands out; empty: the first of `listen.proxy_tls` and of"
        " `listen.proxy`.",
    ),
    Setting(
        "data_dir",
        Text("the path of a folder"),
        "var",
        "Everything the gateway writes; relative to the folder that holds the configuration"
        " folder.",
        variable="WATCHHOUSE_DATA",
    ),
    Setting(
        "categories_dir",
        Text("the path of a folder"),
        "../categories",
        "Category lists; relative to the configuration folder.",
    ),
    Setting(
        "run_as",
        Pattern(
            r"[a-z_][a-z0-9_.-]{0,31}(?::[a-z_][a-z0-9_.-]{0,31})?",
            "a user such as watchhouse, or user:group",
        ),
        None,
        "User, and group, that the gateway becomes when it is started as root.",
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}
SECTIONS = frozenset(
    ".".join(setting.name.split(".")[:depth])
    for setting in SETTINGS
    for depth in range(1, setting.name.count(".") + 1)
)
"""Names that other keys begin with."""
