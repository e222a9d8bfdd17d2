"""A translation as our files.

In: a `Translation`. Out: the texts of policy.yaml, watchhouse.yaml, people.yaml, redirects.yaml.
Must never: put a text of squidGuard's into ours that YAML could read as anything but that text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from proxy_addons.settings.squidguard.times import ranges_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proxy_addons.settings.squidguard.translate import Rule, Translation


def policy_text(made: Translation, name: str, time_zone: str) -> str:
    """`policy.yaml`.

    Args:
        made: the translation.
        name: of the configuration that was translated.
        time_zone: in which its times are read.
    """
    lines = [
        f"# Made from {_plain(name)} by watchhouse import-squidguard.",
        "# docs/policy.md says how to go on.",
        "version: 1",
        f"time_zone: {_text(time_zone)}",
        "",
        "profiles:",
    ]
    for profile, description in made.profiles.items():
        lines += [f"  {profile}:", f"    description: {_text(description)}"]
        if profile == "default":
            lines.append("    strictest: true")
    if made.spaces:
        lines += ["", "time_spaces:"]
    for space, week in made.spaces.items():
        lines.append(f"  {space}:")
        lines += [
            f"    - {{days: [{', '.join(days)}], from: {_text(start)}, to: {_text(end)}}}"
            for days, start, end in ranges_of(week)
        ]
    lines += ["", "rules:"]
    for rule in made.rules:
        lines += _rule(rule, made, name)
    return "\n".join(lines) + "\n"


def settings_text(made: Translation, name: str) -> str:
    """`watchhouse.yaml`, of which all that is not written has its default."""
    lines = [
        f"# Made from {_plain(name)} by watchhouse import-squidguard.",
        "# docs/configuration.md has all keys.",
        "data_dir: data",
        "categories_dir: ../categories",
        "",
        "tls:",
        "  never_inspect:",
        "    categories: []    # before decrypting, name those of banks and health here",
    ]
    if made.clients.networks:
        lines += ["", "identity:", "  addresses:"]
    for network, chain in made.clients.networks:
        profile = made.profile_of[chain]
        person = _text(f"clients of {profile}")
        lines.append(f'    - {{network: "{network}", person: {person}, profile: {profile}}}')
    return "\n".join(lines) + "\n"


def people_text(made: Translation, name: str) -> str | None:
    """`people.yaml`, for `watchhouse decide --people`; None where no source names users."""
    if not made.clients.users:
        return None
    lines = [
        f"# Made from {_plain(name)} by watchhouse import-squidguard.",
        "# The first entry that fits counts; where none does, identity.addresses says the profile.",
        "version: 1",
        "people:",
    ]
    for names, networks, chain in made.clients.users:
        parts = [f"names: {_list(names)}"]
        if networks is not None:
            parts.append(f"networks: {_list(map(str, networks))}")
        parts.append(f"profile: {made.profile_of[chain]}")
        lines.append(f"  - {{{', '.join(parts)}}}")
    return "\n".join(lines) + "\n"


def redirects_text(made: Translation, name: str) -> str | None:
    """`redirects.yaml`, for `watchhouse decide --redirects`; None where it would be empty."""
    found: dict[str, list[str]] = {}
    for rule in made.rules:
        if rule.redirect:
            found.setdefault(rule.redirect, []).append(rule.name)
    if not found:
        return None
    lines = [
        f"# Made from {_plain(name)} by watchhouse import-squidguard.",
        "# What these rules refuse leads there; what others refuse, where --redirect says.",
        "version: 1",
        "redirects:",
    ]
    for to, rules in found.items():
        lines += [f"  - to: {_text(to)}", f"    rules: [{', '.join(rules)}]"]
    return "\n".join(lines) + "\n"


def _rule(rule: Rule, made: Translation, name: str) -> Iterator[str]:
    yield f"  - id: {rule.name}"
    yield f"    clause: {_text(f'{_plain(name)}:{rule.line}')}"
    yield f"    reason: {_text(_reason(rule, made))}"
    yield f"    action: {'allow' if rule.allows else 'block'}"
    if rule.profile or rule.category or rule.space or rule.unless:
        yield "    when:"
    if rule.profile:
        yield f"      profiles: {rule.profile}"
    if rule.category:
        yield f"      categories: {rule.category}"
    if rule.space:
        yield f"      time: {{{'outside' if rule.outside else 'within'}: {rule.space}}}"
    if rule.unless:
        yield f"      not: {{categories: [{', '.join(rule.unless)}]}}"


def _reason(rule: Rule, made: Translation) -> str:
    named = next((name for name, each in made.category_of.items() if each == rule.category), "")
    if rule.allows:
        return f"Sites of the list {named} are allowed." if named else "Nothing speaks against it."
    if named:
        return f"This site is on the list {named}, which may not be opened."
    return "Only sites that are listed as allowed can be opened."


def _plain(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)


def _text(text: str) -> str:
    """A text in quotes: JSON's are YAML's."""
    return json.dumps(_plain(text), ensure_ascii=False)


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"
