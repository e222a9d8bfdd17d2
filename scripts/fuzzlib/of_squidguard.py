"""Target: squidGuard.conf, as `watchhouse import-squidguard` reads it.

It is refused with its line, or becomes a policy that our own reader takes, with a last rule for
everything.

In: a file. Out: nothing, or a finding.
Must never: open a file that it names.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from proxy_addons.settings.policy_file import read_policy
from proxy_addons.settings.policy_names import check_names
from proxy_addons.settings.problems import Report
from proxy_addons.settings.squidguard.reader import GrammarError, read_conf
from proxy_addons.settings.squidguard.translate import translate
from proxy_addons.settings.squidguard.written import (
    people_text,
    policy_text,
    redirects_text,
    settings_text,
)
from proxy_addons.settings.tree import read

if TYPE_CHECKING:
    from proxy_addons.settings.squidguard.model import Conf

_YEAR = date(2026, 8, 18).year
_PLACE = re.compile(r"x\.conf:[1-9][0-9]*: ")
_WHOLE = b"""# comment
dbhome /var/lib/db
logdir "/var/log"
time office {
  weekly mtwhf 08:00 - 12:00 13:00-17:30 # lunch
  weekly saturdays sun, 09:00-12:00
  date *.12.25 2026.12.24-2026.12.26 12:00-24:00
}
src a { ip 10.0.0.0/8 10.1.0.0/255.255.0.0 192.0.2.1-192.0.2.9 , 198.51.100.7
  user root, "some body"
  within office
  log anonymous a.log
}
src b {
  userlist users
  iplist ips
  continue
}
dest porn {
  domainlist porn/domains
  urllist porn/urls
  expressionlist i porn/expressions
  redirect 302:http://b.example/?a=%a&u=%u
  outside office
}
dest good {
}
rew r {
  s@://a/@://b\\@/@i
}
acl {
  a within office { pass good !porn !in-addr any
  redirect http://x/ } else { pass none }
  b { pass !porn dnsbl:a.b }
  default { pass !porn all
    rewrite r
    redirect http://b.example/ }
}
"""


def seeds() -> list[bytes]:
    """A file with everything, and the least that is one."""
    least = b"acl {\n default { pass none }\n}\n"
    times = b"time t { weekly * 00:00-24:00\n}\nsrc s { ip 0.0.0.0/0\noutside t }\n"
    times += b"acl { s { pass any }\n"
    return [_WHOLE, least, times + b"default outside t { pass none } else { pass all } }\n"]


def words() -> list[bytes]:
    """What such files are made of."""
    return [
        *(
            b"{",
            b"}",
            b"!",
            b",",
            b"#",
            b'"',
            b"\n",
            b"\t",
            b"\\",
            b"-",
            b"/",
            b"*",
            b":",
            b"s@a@b@gi",
        ),
        *(b"acl", b"dest", b"src", b"time", b"rew", b"pass", b"any", b"all", b"none", b"in-addr"),
        *(
            b"within",
            b"outside",
            b"else",
            b"default",
            b"weekly",
            b"date",
            b"ip",
            b"user",
            b"iplist",
        ),
        *(b"domainlist", b"redirect", b"rewrite", b"log", b"continue", b"execuserlist", b"domain"),
        *(
            b"10.0.0.0/8",
            b"1.2.3.4-1.2.3.9",
            b"/33",
            b"255.0.255.0",
            b"24:00",
            b"24:01",
            b"00:00-00:00",
        ),
        *(b"\0", b"\xff", b"\xc3\xbc", b"\x0c", b"\xe2\x80\xa8", b"mtwhfas", b"office", b"porn"),
    ]


def check(data: bytes) -> None:
    """Refused with a line, or translated to what we read."""
    try:
        conf = read_conf(data.decode("utf-8", "replace"), "x.conf")
    except GrammarError as problem:
        said = str(problem)
    else:
        _translated(conf, data.count(b"\n") + 1)
        return
    assert _PLACE.match(said), said


def _translated(conf: Conf, lines: int) -> None:
    made = translate(conf)
    assert all(1 <= left.line <= lines for left in made.left)
    report = Report()
    policy = read(policy_text(made, "x.conf", "Europe/London").encode(), "policy.yaml", report)
    assert policy is not None, report.problems
    source = read_policy(policy, report, _YEAR)
    check_names(source, (), (), None, report, or_groups=())
    assert not report.problems, report.problems
    assert source.rules[-1].is_catch_all
    for text in (each(made, "x.conf") for each in (settings_text, people_text, redirects_text)):
        assert text is None or read(text.encode(), "other.yaml", report) is not None
    assert not report.problems, report.problems
