"""The rows of the table of settings about people: sign-in, directory, standing facts, portal.

In: nothing. Out: rows for table.py. people.py says what the values mean in the program,
people_build.py what must fit together.
Must never: hold a secret as a value: such keys name environment variables.
"""

from __future__ import annotations

from proxy_addons.settings.entries import PROFILE, AddressEntries
from proxy_addons.settings.kinds import Choice, Flag, ListOf, Named, Pattern, Seconds, Text, Whole
from proxy_addons.settings.netkinds import Net, SecretVariable
from proxy_addons.settings.people import PROVIDERS
from proxy_addons.settings.people_kinds import (
    ATTRIBUTE,
    REALM,
    SERVICE,
    DatabaseUrl,
    GroupProfileKind,
    LdapUrl,
    PersonFilter,
    RoleKind,
    SiteUrl,
)
from proxy_addons.settings.setting import Setting

_FILE = "the path of a file"
_DAY = 86400

IDENTITY: tuple[Setting, ...] = (
    Setting(
        "identity.order",
        ListOf(Choice(PROVIDERS), one=True, least=1),
        ("addresses",),
        "Ways in which people may be known; the first that knows somebody wins.",
    ),
    Setting(
        "identity.addresses",
        AddressEntries(),
        (),
        "Who uses which client address or network; the most specific network wins. Everybody else"
        " gets the strictest profile.",
        textual=False,
    ),
    Setting(
        "identity.profiles",
        ListOf(GroupProfileKind()),
        (),
        "Profiles by group: the first entry whose groups a person is all in gives the profile.",
        textual=False,
    ),
    Setting(
        "identity.default_profile",
        Named(PROFILE),
        None,
        "Profile of people who have proven who they are and are in none of these groups.",
    ),
    Setting(
        "identity.lifetime",
        Seconds(60, 2 * _DAY),
        43200,
        "Seconds for which a connection counts as its person's after the sign-in.",
    ),
    Setting(
        "identity.kerberos.keytab",
        Text(_FILE),
        None,
        "Keys of this gateway's service principals; without it there is no Kerberos.",
    ),
    Setting(
        "identity.kerberos.service",
        SERVICE,
        None,
        "The one service principal whose tickets are taken; without it any in the keytab.",
    ),
    Setting(
        "identity.kerberos.realms",
        ListOf(REALM, one=True),
        (),
        "Realms whose people are taken; the first is the force's own, whose people are known"
        " without it.",
    ),
    Setting(
        "identity.basic.check",
        Choice(("directory", "file")),
        "directory",
        "What passwords are checked by: a bind to the directory, or a file of argon2 hashes.",
    ),
    Setting(
        "identity.basic.file", Text(_FILE), None, "That file; `watchhouse password` writes it."
    ),
    Setting("identity.basic.realm", Text(), "Watchhouse", "What the browser's prompt says."),
    Setting(
        "identity.basic.in_the_clear",
        Flag(),
        "false",
        "Whether passwords are taken from other machines over connections without TLS.",
    ),
    Setting(
        "identity.basic.remember",
        Seconds(0, 3600),
        300,
        "Seconds for which a proven password is not checked again.",
    ),
    Setting(
        "identity.load_balancers.proxy_protocol",
        ListOf(Net(), one=True),
        (),
        "Load balancers whose connections begin with a PROXY protocol header.",
    ),
    Setting(
        "identity.load_balancers.forwarded_for",
        ListOf(Net(), one=True),
        (),
        "Load balancers whose word on the client's address, in `X-Forwarded-For`, is taken.",
    ),
)

DIRECTORY: tuple[Setting, ...] = (
    Setting(
        "directory.servers",
        ListOf(LdapUrl(), one=True),
        (),
        "LDAP servers that know people and their groups, tried in this order.",
    ),
    Setting(
        "directory.start_tls", Flag(), "true", "Whether connections to `ldap://` servers use TLS."
    ),
    Setting(
        "directory.ca_file",
        Text("the path of a PEM file"),
        None,
        "Certificates that the servers' are checked against, instead of the system's.",
    ),
    Setting("directory.bind_dn", Text("a distinguished name"), None, "Who reads the directory."),
    Setting(
        "directory.bind_password_env",
        SecretVariable(),
        None,
        "Environment variable that holds the password of `directory.bind_dn`.",
    ),
    Setting(
        "directory.base",
        Text("a distinguished name"),
        None,
        "Under which people and groups are looked for.",
    ),
    Setting(
        "directory.group_base",
        Text("a distinguished name"),
        None,
        "Under which groups count; without it, all under `directory.base` do.",
    ),
    Setting(
        "directory.person_filter",
        PersonFilter(),
        "(&(objectClass=person)(sAMAccountName={name}))",
        "How a person is found; `{name}` stands for the login name.",
    ),
    Setting("directory.name_attribute", ATTRIBUTE, "sAMAccountName", "What holds the login name."),
    Setting(
        "directory.groups",
        Choice(("member-of-chain", "members")),
        "member-of-chain",
        "How groups within groups are found: by Active Directory itself, or level by level.",
    ),
    Setting("directory.display_attribute", ATTRIBUTE, "displayName", "A person's full name."),
    Setting("directory.unit_attribute", ATTRIBUTE, "department", "A person's unit."),
    Setting("directory.manager_attribute", ATTRIBUTE, "manager", "A person's line manager (a DN)."),
    Setting("directory.kind_attribute", ATTRIBUTE, "employeeType", "Officer or staff."),
    Setting("directory.timeout", Seconds(0.1, 60), 5, "Seconds for one question to one server."),
    Setting("directory.ttl", Seconds(1, _DAY), 300, "Seconds for which an answer is fresh."),
    Setting(
        "directory.stale",
        Seconds(0, 7 * _DAY),
        14400,
        "Seconds for which an answer still counts while no server answers.",
    ),
    Setting("directory.page_size", Whole(1, 10000), 500, "Entries in one page of an answer."),
)

STANDING: tuple[Setting, ...] = (
    Setting(
        "standing.url",
        DatabaseUrl(),
        None,
        "A PostgreSQL database for exemptions and withdrawals, for several gateways; without it a"
        " file in the data folder.",
    ),
    Setting(
        "standing.password_env",
        SecretVariable(),
        None,
        "Environment variable that holds the database's password.",
    ),
    Setting(
        "standing.stale",
        Seconds(10, _DAY),
        900,
        "Seconds for which exemptions still count while the database cannot be read.",
    ),
)

PORTAL: tuple[Setting, ...] = (
    Setting(
        "portal.sign_in",
        ListOf(Choice(("kerberos", "oidc", "accounts")), one=True),
        (),
        "Ways to sign in to the portal; without any nobody can.",
    ),
    Setting(
        "portal.accounts",
        Text(_FILE),
        None,
        "Local accounts: a file that `watchhouse password` writes.",
    ),
    Setting("portal.oidc.issuer", SiteUrl(), None, "The OpenID provider."),
    Setting("portal.oidc.client_id", Text("a client id"), None, "This portal at the provider."),
    Setting(
        "portal.oidc.client_secret_env",
        SecretVariable(),
        None,
        "Environment variable that holds the client's secret.",
    ),
    Setting(
        "portal.oidc.name_claim",
        Pattern(r"[A-Za-z_][A-Za-z0-9_.:/-]*", "the name of a claim such as preferred_username"),
        "preferred_username",
        "Claim that holds the login name.",
    ),
    Setting(
        "portal.roles",
        ListOf(RoleKind()),
        (),
        "Which groups and people have which role.",
        textual=False,
    ),
    Setting("portal.session", Seconds(60, _DAY), 28800, "Seconds after which a session ends."),
    Setting(
        "portal.idle", Seconds(60, _DAY), 1800, "Seconds without a request after which it ends."
    ),
)
