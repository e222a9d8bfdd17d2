"""`watchhouse explain` with what rules look at besides address and time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
OTHERS = [
    ("large", "block", {"hosts": "x.test", "upload_size": {"over": "1MB"}}),
    ("films", "block", {"any": [{"content_type": "video/*"}, {"user_agent": "vlc"}]}),
]
REPS = {"groups": "Fed Reps"}
RULES = [
    ("not-ours", "block", {"clients": "10.9.0.0/16", "not": {"url": "example.test/ours"}}),
    ("scripts", "block", {"user_agent": "^curl/", "ports": [443, "8000-8999"]}),
    ("reps", "allow", {"hosts": "hotmail.com", "any": [REPS, {"persons": "pc1234"}]}),
]  # fmt: skip


@pytest.fixture
def explain(
    watchhouse: Callable[..., Any], data: Path, tmp_path: Path
) -> Callable[..., dict[str, Any]]:
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    policy = yaml.safe_load((config / "policy.yaml").read_text())
    policy["rules"][:0] = [
        {"id": name, "clause": "T 1", "reason": "So.", "action": action, "when": when}
        for name, action, when in (*RULES, *OTHERS)
    ]
    (config / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))

    def run(url: str, *arguments: str) -> dict[str, Any]:
        done = watchhouse(
            "explain", url, "--json", "--data", str(data), "--config", str(config),
            "--at", "2026-11-24T10:30", *arguments,
        )  # fmt: skip
        assert (done.code, done.err) == (0, "")
        found: dict[str, Any] = json.loads(done.out)
        return found

    return run


def why(found: dict[str, Any], rule: str) -> str:
    (step,) = [step["why"] for step in found["trace"] if step["rule"] == rule]
    return str(step)


def test_conditions_in_words(explain: Callable[..., dict[str, Any]]):
    home = ("--client", "192.0.2.1")
    found = explain("hotmail.com", *home, "--user-agent", "Mozilla/5.0")
    assert found["rule"] == "webmail"
    assert (found["client"], found["user_agent"], found["groups"]) == (
        "192.0.2.1",
        "Mozilla/5.0",
        None,
    )
    assert why(found, "not-ours") == "the client is not in 10.9.0.0/16"
    assert why(found, "scripts") == "the user agent does not match ^curl/"
    assert why(found, "reps") == (
        "it is not known whether the person is in the group Fed Reps, and it is not known whether"
        " the person is pc1234"
    )
    found = explain("hotmail.com", *home, "--group", "FED reps", "--person", "Somebody")
    assert (found["rule"], found["groups"], found["user"]) == ("reps", ["fed reps"], "somebody")
    assert (
        why(found, "reps") == "host is or is under hotmail.com; the person is in the group Fed Reps"
    )
    found = explain("hotmail.com", *home, "--group", "x", "--person", "pc1234")
    assert why(found, "reps") == "host is or is under hotmail.com; the person is pc1234"
    found = explain("hotmail.com", *home, "--group", "x", "--person", "pc9")
    assert why(found, "reps") == (
        "the person is not in the group Fed Reps, and the person is not pc1234"
    )
    found = explain("http://x.test:8080/", *home, "--user-agent", "curl/8")
    assert (found["rule"], why(found, "scripts")) == (
        "scripts", "the port is 443 or 8000-8999; the user agent matches ^curl/"
    )  # fmt: skip
    assert why(explain("x.test:7999", *home, "--user-agent", "curl/8"), "scripts") == (
        "the port is not 443 or 8000-8999"
    )
    found = explain("https://www.example.test//OURS/", "--client", "10.9.1.1")
    assert why(found, "not-ours") == "the address begins with example.test/ours"


def test_what_is_not_given_is_not_known(explain: Callable[..., dict[str, Any]]):
    against = "rules that allow do not match by it, all others do"
    found = explain("x.test")
    assert found["rule"] == "not-ours"
    assert found["notes"] == [f"the client's address is not known (--client): {against}"]
    found = explain("example.test", "--method", "CONNECT", "--client", "10.9.1.1")
    assert (found["rule"], found["url"]) == ("not-ours", "example.test:443")
    assert why(found, "not-ours") == (
        "the client is in 10.9.0.0/16; it is not known whether the address begins with"
        " example.test/ours"
    )
    assert found["notes"] == [f"the program is not known (--user-agent): {against}"]
    assert explain("x.test", "--user", "Sample Person")["client"] is not None


def test_sizes_and_types(explain: Callable[..., dict[str, Any]]):
    sent = ("--client", "192.0.2.1", "--method", "POST", "--upload-size")
    found = explain("x.test", *sent, "1MB")
    assert found["rule"] == "everything-else"
    assert why(found, "large") == "nothing over 1MB is known to be sent"
    assert why(found, "films") == (
        "no declared type is known that is video/*, and the user agent does not match vlc"
    )
    found = explain("x.test", *sent, "1000001")
    assert (found["rule"], found["clause"]) == ("large", "T 1")
    assert why(found, "large") == "host is or is under x.test; found more than 1,000,000 bytes sent"
    found = explain("x.test", "--client", "192.0.2.1", "--content-type", "Video/MP4; x")
    assert (found["rule"], why(found, "films")) == ("films", "found the declared type video/*")


def test_what_is_no_address(watchhouse: Callable[..., Any]):
    done = watchhouse("explain", "x.test", "--client", "here")
    assert (done.code, done.out) == (1, "")
    assert "--client" in done.err
    done = watchhouse("explain", "x.test", "--upload-size", "ten")
    assert (done.code, done.out) == (1, "")
    assert "no size such as 10MB" in done.err
