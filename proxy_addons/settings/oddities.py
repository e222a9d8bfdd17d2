"""What is odd about a configuration that is valid, for `watchhouse check`.

In: settings with what they were read from. Out: warnings with file, line and key.
Must never: refuse a configuration, or quote what a file of secrets holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.policy.lint import findings
from proxy_addons.policy.oddeffects import odd_effects
from proxy_addons.settings import content_build, feeds_build
from proxy_addons.settings.insecure import insecure, open_files, readable_secrets
from proxy_addons.settings.packs import FOLDER
from proxy_addons.settings.problems import Problem
from proxy_addons.settings.read_table import Given, misspelt_variables
from proxy_addons.settings.rule_oddities import policy_uses, rule_oddities
from proxy_addons.settings.shifts_build import odd
from proxy_addons.settings.table import DENIED_DESTINATIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from collections.abc import Mapping as MappingOf
    from pathlib import Path

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings import model
    from proxy_addons.settings.policy_file import PolicySource

MAIN_FILE = "watchhouse.yaml"
POLICY_FILE = "policy.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with what warnings are made of."""

    settings: model.Settings
    source: PolicySource
    known_categories: Collection[str] | None
    given: MappingOf[str, Given]


def oddities(loaded: Loaded, environ: MappingOf[str, str]) -> Iterator[Problem]:
    """All oddities: of the policy, of settings, of the files' rights, of the environment.

    Args:
        loaded: valid settings.
        environ: the environment.
    """
    yield from _of_the_policy(loaded)
    settings = loaded.settings
    for key, message in insecure(settings, DENIED_DESTINATIONS):
        yield Problem(loaded.given[key].place, key, message)
    of_content = content_build.odd(settings.content)
    of_feeds = feeds_build.odd(settings.feeds)
    for key, message in (*odd(settings.shifts, settings.policy.states), *of_content, *of_feeds):
        if loaded.given[key].place != "default":  # what nobody wrote needs no defending
            yield Problem(loaded.given[key].place, key, message)
    folder = settings.paths.config_dir
    files = [folder, *(folder / name for name in (MAIN_FILE, POLICY_FILE))]
    if (packs := folder / FOLDER).is_dir():
        files += [packs, *sorted(packs.glob("*.yaml"))]
    if trusted := settings.tls.trusted_ca_file:
        files.append(trusted)
    for path, message in (*open_files(files), *readable_secrets(_secret_files(settings))):
        yield Problem(str(path), "", message)
    for name, hint in misspelt_variables(environ):
        yield Problem(f"environment {name}", "", f"is no setting of ours{hint}")


def _of_the_policy(loaded: Loaded) -> Iterator[Problem]:
    source = loaded.source
    policy: Policy = loaded.settings.policy
    places = {("rules", rule.id.text): (rule.place, rule.key) for rule in source.rules}
    sections = (
        ("time_spaces", source.spaces),
        ("category_groups", source.groups),
        ("profiles", source.profiles),
    )
    for section, entries in sections:
        for name, (written, *_) in entries.items():
            places[section, name] = (written.place, written.key)
    used = profiles_given(loaded.settings)
    for finding in (*findings(policy, used), *odd_effects(policy)):
        place, key = places[finding.where, finding.name]
        subject = f"the rule {finding.name} " if finding.where == "rules" else ""
        yield Problem(place, key, f"{subject}{finding.message}")
    yield from rule_oddities(source, policy, loaded.settings, loaded.known_categories)
    for written, target in source.aliases.values():
        known = loaded.known_categories
        if known is not None and target.text not in known and not policy_uses(policy, target.text):
            message = f"stands for {target.text}, which no list has and no rule uses"
            yield Problem(written.place, written.key, message)


def _secret_files(settings: model.Settings) -> Iterator[Path]:
    identity = settings.identity
    files = (
        identity.kerberos.keytab,
        identity.basic.file,
        settings.portal.accounts,
        settings.listen.certificate.key,
        *feeds_build.secret_files(settings.feeds),
    )
    yield from (file for file in files if file is not None)


def profiles_given(settings: model.Settings) -> set[str]:
    """Profiles that somebody may have by the settings or by an exemption."""
    identity = settings.identity
    given = {entry.profile for entry in identity.addresses}
    given.update(entry.profile for entry in identity.profiles)
    if identity.default_profile is not None:
        given.add(identity.default_profile)
    return given | set(settings.policy.otherwise) | set(settings.policy.otherwise.values())
