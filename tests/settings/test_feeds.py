"""`feeds` of watchhouse.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings.feeds import DEFAULT_MASK, Feed, FeedTls, MaskRule
from proxy_addons.settings.load import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.settings.load import Examined

    type Look = Callable[..., Examined]

HTTPS = "{name: a, kind: https, format: ecs, url: 'https://x/'"
SYSLOG = "{name: a, kind: syslog, format: ecs, address: h"
FILE = "{name: a, kind: file, format: ecs, path: out"
ENVIRON = {"TOKEN": "t0ken", "KEY": "0123456789abcdef", "SHORT": "0123456789abcde", "SPACED": "a b"}


def said(look: Look, *entries: str) -> str:
    with pytest.raises(SettingsError) as caught:
        look(f"feeds: [{', '.join(entries)}]\n", environ=ENVIRON)
    return "\n".join(f"{problem.key}: {problem.message}" for problem in caught.value.problems)


def test_none_by_default(look: Look):
    assert look("listen: {}\n").settings.feeds == ()
    assert look().settings.feeds == ()


def test_all_of_it(look: Look, config: Path):
    text = """
feeds:
  - {name: siem, kind: syslog, format: rfc5424, address: siem.force.example, from: beginning,
     tls: {name: log.force.example}, largest: 4096, confirm: tcp, resend: 2, enterprise: 7,
     records: 5, timeout: 6, behind: 60}
  - {name: web, kind: https, format: ocsf, url: "https://siem.force.example/in", token_env: TOKEN,
     body: array, mask: none}
  - {name: lines, kind: file, format: ecs, path: out/log, mask_key_env: KEY, mask: [
      {do: hash, fields: [person, client_ip]}, {do: host, categories: [health]}, {do: drop}]}
"""
    feeds = look(text, environ=ENVIRON).settings.feeds
    assert feeds[0] == Feed(
        "siem", "syslog", "rfc5424", host="siem.force.example", port=6514,
        tls=FeedTls(name="log.force.example"), largest=4096, confirm="tcp", resend=2.0,
        enterprise=7, records=5, timeout=6.0, behind=60.0, beginning="beginning",
        mask=DEFAULT_MASK,
    )  # fmt: skip
    assert (feeds[1].url, feeds[1].token) == ("https://siem.force.example/in", "t0ken")
    assert (feeds[1].body, feeds[1].mask) == ("array", ())
    assert feeds[2].path == config.parent / "var/out/log"
    assert feeds[2].mask[0] == MaskRule("hash", ("person", "client_ip"))
    assert feeds[2].mask[1] == MaskRule("host", ("url",), frozenset({"health"}))
    assert "url" in feeds[2].mask[2].fields
    assert "person" not in feeds[2].mask[2].fields
    for secret in ("t0ken", ENVIRON["KEY"]):
        assert secret not in repr(feeds)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: a, kind: pigeon, format: ecs}", "wanted syslog, https or file"),
        ("{name: a, kind: syslog, format: ecs}", "feeds[0].address: not given"),
        ("{name: a, kind: https, format: ecs}", "feeds[0].url: not given"),
        ("{name: a, kind: file, format: ecs}", "feeds[0].path: not given"),
        ("{name: a, kind: file, format: rfc5424, path: x}", "rfc5424 is a form of syslog"),
        (f"{FILE}, address: h:1}}", "feeds[0].address: has no meaning for the kind file"),
        (f"{FILE}, token_env: TOKEN}}", "token_env: has no meaning"),
        ("{name: A b, kind: file, format: ecs, path: x}", "wanted a name such as siem"),
        ("{name: a, kind: https, format: ecs, url: 'http://x/'}", "wanted an address such as"),
        ("{name: a, kind: https, format: ecs, url: 'https://u:p@x/'}", "use token_env"),
        (f"{HTTPS}, token_env: NONE}}", "NONE is not set"),
        (f"{HTTPS}, token_env: SPACED}}", "holds spaces"),
        (f"{SYSLOG}, tls: {{ca_file: no.pem}}}}", "no file"),
        (f"{SYSLOG}, tls: {{certificate: watchhouse.yaml}}}}",
         "cannot be used as such a PEM file"),
        (f"{SYSLOG}, tls: {{key: x.pem}}}}", "whose key it would"),
        (f"{SYSLOG}, tls: {{verify: false}}}}", "unknown key"),
        (f"{FILE}, mask: []}}", "found an empty list"),
        (f"{FILE}, mask: nothing}}", "or none, in so many words"),
        (f"{FILE}, mask: [{{do: blur}}]}}", "wanted query, host, drop or hash"),
        (f"{FILE}, mask: [{{fields: [url]}}]}}", "mask[0].do: not given"),
        (f"{FILE}, mask: [{{do: drop, fields: [urls]}}]}}", "did you mean url"),
        (f"{FILE}, mask: [{{do: drop, fields: [seq]}}]}}", 'found "seq"'),
        (f"{FILE}, mask: [{{do: drop, fields: []}}]}}", "found an empty list"),
        (f"{FILE}, mask: [{{do: query, fields: [host]}}]}}", "wanted url"),
        (f"{FILE}, mask: [{{do: drop, categories: [heath]}}]}}", "there is no category heath"),
        (f"{FILE}, mask: [{{do: drop, category: health}}]}}", "unknown key"),
        (f"{FILE}, mask: [{{do: hash, fields: [person]}}]}}", "name the variable"),
        (f"{FILE}, mask_key_env: KEY}}", "of no effect"),
        (f"{FILE}, mask_key_env: SHORT, mask: [{{do: hash, fields: [person]}}]}}", "less than 16"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(look: Look, entry: str, message: str):
    found = said(look, entry)
    assert message in found
    assert not any(secret in found for secret in ENVIRON.values())


def test_names_and_files_are_each_feeds_own(look: Look):
    assert re.search(
        "another feed's name.*\n.*another feed's file", said(look, f"{FILE}}}", f"{FILE}}}")
    )


def test_a_feed_without_a_mask_and_one_that_sends_nothing_again_are_pointed_out(look: Look):
    text = (
        f"feeds: [{FILE}, mask: none}}, "
        "{name: b, kind: syslog, format: ecs, address: h, resend: 0}]\n"
    )
    found = "\n".join(str(each) for each in look(text).warnings)
    assert "a masks nothing" in found
    assert "resend: 0" in found
