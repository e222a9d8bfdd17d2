"""What a real gateway logged, replayed: the same policy decides it the same."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from support.scene import through, working_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import Gateway
    from support.web import Web

ASKED = (
    "https://www.hotmail.com/", "https://www.gov.uk/", "http://www.gov.uk/", "https://neutral.example/a",
    "https://www.amazon.co.uk/", "http://www.ebay.co.uk/", "https://www.bbc.co.uk/news",
    "https://www.barclays.co.uk/", "http://www-hotmail-com.translate.goog/", "https://unison.org.uk/",
)  # fmt: skip


def test_the_present_policy_decides_all_as_it_was_logged(
    start: Callable[..., Gateway], web: Web
) -> None:
    gateway = start(through(web), at=working_time("10:30:00"))
    for url in ASKED:
        gateway.curl(url)
    gateway.curl("http://10.0.0.1/")  # the gateway's own refusal
    logged = gateway.records(len(ASKED) + 1)
    policy = gateway.config / "policy.yaml"
    day = datetime.fromisoformat(working_time("00:00:00"))
    asked = ("impact", "--json", "--from", str(day), "--to", str(day + timedelta(days=1)))
    done = gateway.command(*asked, "--policy", str(policy))
    assert done.returncode == 0, done.stderr
    same = json.loads(done.stdout)
    assert same["changes"] == []
    assert same["requests"] == len(logged) >= len(ASKED) + 1
    assert same["not_replayed"] == {
        "the gateway decided without the policy (destination-denied)": 1
    }
    new = gateway.folder / "new.yaml"
    new.write_text(
        policy.read_text().replace("      categories: webmail", "      categories: news")
    )
    done = gateway.command(*asked, "--policy", str(new))
    assert {(each["was"], each["becomes"]) for each in json.loads(done.stdout)["changes"]} == {
        ("block webmail", "allow everything-else"),
        ("block webmail", "allow business"),  # the translator itself
        ("allow news", "block webmail"),
    }
