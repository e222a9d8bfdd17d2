"""The rows of the table of settings about personal use: breaks, allowances, the statement.

In: nothing. Out: rows for table.py. shifts.py says what the values mean in the program,
shifts_build.py what must fit together.
Must never: hold a secret as a value: such keys name environment variables.
"""

from __future__ import annotations

from proxy_addons.settings.entries import CATEGORY, NumberOr
from proxy_addons.settings.kinds import Flag, ListOf, Named, Pattern, Text, Whole
from proxy_addons.settings.netkinds import Address, Host, SecretVariable
from proxy_addons.settings.policy_kinds import Clock
from proxy_addons.settings.setting import Setting

_DAY = 1440  # minutes
_WEEK = 7 * _DAY
_YEARS = 3660  # days: ten of them
# What RFC 5321 calls a mailbox, without quotes, comments and characters beyond ASCII.
_LOCAL = r"[A-Za-z0-9.!#$%&'*+/=?^_`|~-]+"
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"

PERSONAL_USE: tuple[Setting, ...] = (
    Setting(
        "personal_use.day_turns",
        Clock(),
        "05:00",
        "When a duty day begins, in the policy's time zone: a night shift is one day.",
    ),
    Setting(
        "personal_use.breaks.enabled",
        Flag(),
        "true",
        "Whether people may book breaks themselves.",
    ),
    Setting(
        "personal_use.breaks.choices",
        ListOf(Whole(1, 720), one=True, least=1),
        (15, 30, 60),
        "Minutes that are offered, ascending; the first is the shortest that can be asked for, the"
        " last the longest.",
    ),
    Setting(
        "personal_use.breaks.allowance",
        Whole(1, _DAY),
        60,
        "Minutes of breaks in a duty day.",
    ),
    Setting(
        "personal_use.breaks.gap",
        Whole(0, 720),
        30,
        "Minutes between the end of a break and the beginning of the next.",
    ),
    Setting(
        "personal_use.breaks.warning",
        Whole(0, 60),
        2,
        "Minutes before the end at which the person is told.",
    ),
    Setting(
        "personal_use.allowances.personal",
        NumberOr("unlimited", 1, _DAY),
        60,
        "Minutes of personal use in a duty day, or `unlimited`.",
    ),
    Setting(
        "personal_use.allowances.social",
        NumberOr("unlimited", 1, _DAY),
        20,
        "Minutes of social networks in a duty day, within those, or `unlimited`.",
    ),
    Setting(
        "personal_use.allowances.low",
        Whole(0, 720),
        10,
        "Minutes left at which people are told.",
    ),
    Setting(
        "personal_use.coach.lasts",
        Whole(1, _WEEK),
        60,
        "Minutes for which a person's confirmation counts for a site.",
    ),
    Setting(
        "personal_use.acknowledgement.required",
        Flag(),
        "false",
        "Whether browsing waits until the acceptable-use statement is acknowledged.",
    ),
    Setting(
        "personal_use.acknowledgement.statement",
        Text("the path of a Markdown file"),
        None,
        "The statement; without it `statement.md` in the configuration folder.",
    ),
    Setting(
        "personal_use.acknowledgement.renewed",
        Whole(1, 3650),
        365,
        "Days after which it is asked for again.",
    ),
    Setting(
        "personal_use.acknowledgement.open_categories",
        ListOf(Named(CATEGORY), one=True),
        (),
        "Categories and groups that can be reached before.",
    ),
    Setting(
        "personal_use.acknowledgement.open_hosts",
        ListOf(Host(), one=True),
        (),
        "Hosts, with their subdomains, that can be reached before.",
    ),
    Setting(
        "personal_use.reports.smtp",
        Address(default_port=25),
        None,
        "Mail server for the weekly report to line managers; without it none is sent.",
    ),
    Setting(
        "personal_use.reports.starttls",
        Flag(),
        "true",
        "Whether the connection must become TLS, with a certificate that is verified.",
    ),
    Setting("personal_use.reports.user", Text("a user name"), None, "User to sign in there with."),
    Setting(
        "personal_use.reports.password_env",
        SecretVariable(),
        None,
        "Environment variable that holds that user's password.",
    ),
    Setting(
        "personal_use.reports.sender",
        Pattern(rf"{_LOCAL}@{_DOMAIN}", "a mail address such as watchhouse@force.example"),
        None,
        "Address that reports come from.",
    ),
    Setting(
        "personal_use.reports.address",
        Pattern(
            rf"(?:{_LOCAL})?\{{name\}}(?:{_LOCAL})?@{_DOMAIN}",
            "a mail address with {name} in it, such as {name}@force.example",
        ),
        None,
        "Address that they go to; `{name}` stands for the line manager's login name.",
    ),
    Setting(
        "personal_use.keep.figures",
        Whole(62, _YEARS),
        182,
        "Days for which minutes, breaks and refusals of a duty day are kept.",
    ),
    Setting(
        "personal_use.keep.duties",
        Whole(8, _YEARS),
        62,
        "Days for which a duty is kept after its end.",
    ),
    Setting(
        "personal_use.keep.reviews",
        Whole(1, _YEARS),
        92,
        "Days for which the address in a review is kept after its end; the site's name stays.",
    ),
)
