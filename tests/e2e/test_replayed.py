"""What a real gateway logged, replayed: the same policy decides it the same."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from support.scene import working_time

from proxy_addons.cli.replayed import NOT_REPRODUCED

if TYPE_CHECKING:
    from support.gateway import Gateway

ASKED = (
    "https://www.hotmail.com/", "https://www.gov.uk/", "http://www.gov.uk/", "https://neutral.example/a",
    "https://www.amazon.co.uk/", "http://www.ebay.co.uk/", "https://www.bbc.co.uk/news",
    "https://www.barclays.co.uk/", "http://www-hotmail-com.translate.goog/", "https://unison.org.uk/",
)  # fmt: skip


def test_the_present_policy_decides_all_as_it_was_logged(standard: Gateway) -> None:
    """Whatever else other tests have asked of this gateway."""
    for url in ASKED:
        standard.curl(url)
    standard.curl("http://10.0.0.1/")  # the gateway's own refusal
    standard.records(1, host="10.0.0.1")
    policy = standard.config / "policy.yaml"
    day = datetime.fromisoformat(working_time("00:00:00"))
    asked = ("impact", "--json", "--from", str(day), "--to", str(day + timedelta(days=1)))
    done = standard.command(*asked, "--policy", str(policy))
    assert done.returncode == 0, done.stderr
    same = json.loads(done.stdout)
    assert same["changes"] == []
    assert same["replayed"] >= len(ASKED)
    assert NOT_REPRODUCED not in same["not_replayed"]
    assert "the gateway decided without the policy (destination-denied)" in same["not_replayed"]
    new = standard.folder / "new.yaml"
    new.write_text(policy.read_text().replace("  categories: webmail", "  categories: news"))
    done = standard.command(*asked, "--policy", str(new))
    assert {
        ("block webmail", "allow everything-else"),
        ("block webmail", "allow business"),  # the translator itself
        ("allow news", "block webmail"),
    } <= {(each["was"], each["becomes"]) for each in json.loads(done.stdout)["changes"]}
