"""`watchhouse import-squidguard`: the folder that it makes, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONF = """dbhome {lists}
time office {{
  weekly mtwhf 08:00-17:00
}}
time lunch {{
  weekly * 12:00-13:00
}}
src Bosses {{
  userlist bosses
}}
src staff {{
  iplist staff
  user sam
}}
src night_shift {{
  ip 10.2.0.0/16
  outside office
}}
dest porn {{
  domainlist porn/domains
  expressionlist porn/expressions
}}
dest Games_2 {{
  urllist games
  outside lunch
}}
dest nothing {{
  domainlist none
}}
dest empty {{
}}
acl {{
  Bosses {{
    pass any
  }}
  staff within office {{
    pass !porn !Games_2 !in-addr !nothing !empty any
  }} else {{
    pass !porn
  }}
  night_shift within lunch {{
    pass none
  }}
  default {{
    pass !porn none
    redirect http://blocked.test/?u=%u
  }}
}}
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    lists = tmp_path / "db"
    (lists / "porn").mkdir(parents=True)
    (lists / "porn" / "domains").write_text("porn.example\n*.bad\n")
    (lists / "porn" / "expressions").write_text("# sex\n\n(^|[./])sex[^a-z]\n")
    (lists / "games").write_text("mixed.example/play\n")
    (lists / "bosses").write_text("# chiefs\nBoss, head # and\nroot:x:0:0:root:/root:/bin/sh\n")
    (lists / "staff").write_text("10.1.0.0/24, 10.1.1.0-10.1.1.255\nrubbish\n")
    path = tmp_path / "squidGuard.conf"
    path.write_text(CONF.format(lists=lists))
    return path


def test_the_folder_that_is_made(
    watchhouse: Callable[..., object], conf: Path, tmp_path: Path
) -> None:
    to = tmp_path / "made"
    done = watchhouse("import-squidguard", str(conf), "--to", str(to))
    assert done.code == 3, done.err
    config = to / "config"
    checked = watchhouse("check", "--config", str(config))
    assert checked.code == 0
    assert "warning" not in checked.out
    assert sorted(path.name for path in to.iterdir()) == ["categories", "config", "data"]
    policy = yaml.safe_load((config / "policy.yaml").read_text())
    assert set(policy["profiles"]) == {"default", "bosses", "staff", "night-shift"}
    assert policy["rules"][-1]["id"] == "default-rest"
    rules = {rule["id"]: (rule["action"], rule.get("when", {})) for rule in policy["rules"]}
    assert rules == {
        "night-shift-rest-together": (
            "block",
            {"profiles": "night-shift", "time": {"within": "together"}},
        ),
        "night-shift-porn-together": (
            "block",
            {"profiles": "night-shift", "categories": "porn", "time": {"outside": "together"}},
        ),
        "night-shift-rest-together-2": (
            "block",
            {"profiles": "night-shift", "time": {"outside": "together"}},
        ),
        "bosses-rest": ("allow", {"profiles": "bosses"}),
        "staff-porn-office": (
            "block",
            {"profiles": "staff", "categories": "porn", "time": {"within": "office"}},
        ),
        "staff-games-2-together-2": (
            "block",
            {"profiles": "staff", "categories": "games-2", "time": {"within": "together-2"}},
        ),
        "staff-in-addr-office": (
            "block",
            {"profiles": "staff", "categories": "in-addr", "time": {"within": "office"}},
        ),
        "staff-rest-office": ("allow", {"profiles": "staff", "time": {"within": "office"}}),
        "staff-porn-office-2": (
            "block",
            {"profiles": "staff", "categories": "porn", "time": {"outside": "office"}},
        ),
        "staff-rest-office-2": ("allow", {"profiles": "staff", "time": {"outside": "office"}}),
        "default-porn": ("block", {"profiles": "default", "categories": "porn"}),
        "default-rest": ("block", {}),
    }
    assert policy["time_spaces"]["together"] == [
        {"days": ["sat", "sun"], "from": "12:00", "to": "13:00"}
    ]
    people = yaml.safe_load((config / "people.yaml").read_text())["people"]
    assert people == [
        {"names": ["boss", "head", "root"], "profile": "bosses"},
        {"names": ["sam"], "networks": ["10.1.0.0/23"], "profile": "staff"},
        {"names": ["sam"], "networks": ["10.2.0.0/16"], "profile": "night-shift"},
        {"names": ["sam"], "profile": "default"},
    ]
    settings = yaml.safe_load((config / "watchhouse.yaml").read_text())
    assert settings["identity"]["addresses"] == [
        {
            "network": "10.2.0.0/16",
            "person": "clients of night-shift",
            "profile": "night-shift",
        }
    ]
    lists = tmp_path / "db"
    for told in (
        f'{conf}:27: the destination "nothing", whose lists have no entry',
        f"{conf}:28: the list none of nothing: {lists}/none: No such file or directory",
        f'{lists}/staff:2: "rubbish" of the source "staff", which is no address',
        f"{lists}/porn/expressions:1: a comment, which squidGuard takes for an expression",
        f"{lists}/porn/expressions:2: an empty line, which squidGuard takes for an expression",
        "squidguard/porn/domains:2: a name covers its subdomains: leave out the *",
        "decide --config",
        "--redirect 'http://blocked.test/?u=%u'",
    ):
        assert told in done.out


def test_all_of_it_is_translated(watchhouse: Callable[..., object], tmp_path: Path) -> None:
    conf = tmp_path / "squidGuard.conf"
    conf.write_text(
        "src a {\n ip 10.0.0.0/8\n}\nacl {\n a { pass !in-addr any }\n"
        " default { pass none\n redirect http://b.test/\n }\n}\n"
    )
    done = watchhouse("import-squidguard", str(conf), "--to", str(tmp_path / "x"))
    assert (done.code, "Not translated" in done.out) == (0, False)
    assert watchhouse("check", "--config", str(tmp_path / "x" / "config")).code == 0


def test_a_redirect_that_we_do_not_have_is_told(
    watchhouse: Callable[..., object], tmp_path: Path
) -> None:
    conf = tmp_path / "squidGuard.conf"
    conf.write_text("acl {\n default { pass none\n redirect /local/page?%u\n }\n}\n")
    done = watchhouse("import-squidguard", str(conf), "--to", str(tmp_path / "x"))
    assert done.code == 3
    assert f"{conf}:2: the redirect of the acl default; wanted an http or https" in done.out
    assert "--redirect 'http://blocked.example/'" in done.out
    assert "local" not in done.out
    assert not (tmp_path / "x" / "config" / "redirects.yaml").exists()


LEADS = """dbhome {lists}
src a {{
  ip 10.0.0.0/8
}}
dest ads {{
  domainlist ads
  redirect http://blank.test/1x1.gif
}}
dest Odd_1 {{
  domainlist odd
  redirect ftp://odd.test/
}}
acl {{
  a {{
    pass !ads !Odd_1 any
    redirect 302:http://a.test/?%t&%s&%u
  }}
  default {{
    pass !ads !Odd_1 none
    {redirect}
  }}
}}
"""


@pytest.fixture
def leads(tmp_path: Path) -> Callable[[str], Path]:
    lists = tmp_path / "db"
    lists.mkdir()
    (lists / "ads").write_text("# ads\nads.example\nown.example\thttp://own.test/?%u\n")
    (lists / "odd").write_text("odd.example\n")

    def write(redirect: str) -> Path:
        path = tmp_path / "squidGuard.conf"
        path.write_text(LEADS.format(lists=lists, redirect=redirect))
        return path

    return write


def test_destinations_and_acls_lead_where_they_say(
    watchhouse: Callable[..., object], leads: Callable[[str], Path], tmp_path: Path
) -> None:
    conf, to = leads("redirect http://default.test/?%s"), tmp_path / "made"
    done = watchhouse("import-squidguard", str(conf), "--to", str(to))
    assert done.code == 3
    assert yaml.safe_load((to / "config" / "redirects.yaml").read_text())["redirects"] == [
        {"to": "http://blank.test/1x1.gif", "rules": ["a-ads", "default-ads"]},
        {"to": "302:http://a.test/?Odd_1&a&%u", "rules": ["a-odd-1"]},
        {"to": "http://default.test/?default", "rules": ["default-odd-1", "default-rest"]},
    ]
    assert (
        f"--redirects {to}/config/redirects.yaml --redirect 'http://default.test/?%s'" in done.out
    )
    # What is not translated: another scheme; an entry's own redirect, but the entry is taken.
    assert f"{conf}:9: the redirect of the destination Odd_1; wanted an http or https" in done.out
    assert f"{tmp_path}/db/ads:3: where entries lead by themselves (1 of them" in done.out
    looked_up = watchhouse(
        *("categories", "lookup", "http://own.example/", "--config", str(to / "config"))
    )
    assert "ads" in looked_up.out


def test_a_refusal_that_leads_nowhere_is_told(
    watchhouse: Callable[..., object], leads: Callable[[str], Path], tmp_path: Path
) -> None:
    conf = leads("")
    done = watchhouse("import-squidguard", str(conf), "--to", str(tmp_path / "made"))
    assert done.code == 3
    assert (
        f"{conf}:19: a refusal without a redirect, which squidGuard passes; nothing; it is refused"
        in done.out
    )
    policy = yaml.safe_load((tmp_path / "made" / "config" / "policy.yaml").read_text())
    assert policy["rules"][-1] | {"reason": ""} == {
        "id": "default-rest",
        "clause": "squidGuard.conf:19",
        "reason": "",
        "action": "block",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("acl {\n", "squidGuard.conf:2: found the end of the file; wanted }"),
        (None, "No such file or directory"),
        ("acl {\n default { pass none }\n}\n#" + "x" * (5 << 20), "larger than 4194304 octets"),
    ],
)
def test_nothing_is_made(
    watchhouse: Callable[..., object], tmp_path: Path, text: str | None, problem: str
) -> None:
    conf = tmp_path / "squidGuard.conf"
    if text is not None:
        conf.write_text(text)
    before = sorted(tmp_path.iterdir())
    done = watchhouse("import-squidguard", str(conf), "--to", str(tmp_path / "made"))
    assert done.code == 1
    assert "nothing was made" in done.err
    assert problem in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_there_stays(
    watchhouse: Callable[..., object], conf: Path, tmp_path: Path
) -> None:
    to = tmp_path / "made"
    to.mkdir()
    (to / "mine").write_text("mine")
    done = watchhouse("import-squidguard", str(conf), "--to", str(to))
    assert (done.code, "is there already" in done.err) == (1, True)
    assert [path.name for path in to.iterdir()] == ["mine"]
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert watchhouse("import-squidguard", str(conf), "--to", str(tmp_path / "link")).code == 1
