"""Values for the table of settings: from the file, options, the environment, or the default.

In: the tree of the file, options, the environment. Out: one value for each key of `SETTINGS`.
Must never: take a key that is not in the table; take a wrong value for its default unreported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy_addons.settings.kinds import ListOf
from proxy_addons.settings.problems import nearest
from proxy_addons.settings.setting import ENV_PREFIX, Setting
from proxy_addons.settings.table import BY_NAME, SECTIONS, SETTINGS
from proxy_addons.settings.tree import Mapping, Node, describe, dotted, raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as MappingOf

    from proxy_addons.settings.problems import Report


@dataclass(frozen=True, slots=True)
class Given:
    """A value and where it is from.

    Attributes:
        value: as the kind reads it; None when there is none, or when it was wrong and reported.
        place: file and line, option, environment variable, or `default`.
        from_shell: whether it is from an option or the environment (a relative path is then
            relative to the working directory).
    """

    value: Any
    place: str
    from_shell: bool = False


def read_table(
    root: Mapping | None,
    overrides: MappingOf[str, str],
    environ: MappingOf[str, str],
    report: Report,
) -> dict[str, Given]:
    """Read every setting: an option wins over the environment, that over the file.

    Args:
        root: the file's top-level table; None when it could not be read.
        overrides: dotted key → text, from the command line.
        environ: the environment. A variable that is set to nothing counts as not set.
        report: takes the problems.

    Returns:
        A value for every name of `SETTINGS`.
    """
    written = dict(_leaves(root, "", report)) if root is not None else {}
    for name in overrides:
        if name not in BY_NAME:
            report.add(f"option {name}", "", f"no such setting{nearest(name, BY_NAME)}")
        elif not BY_NAME[name].textual:
            report.add(f"option {name}", "", "cannot be given as an option; write it in the file")
    given = {}
    for setting in SETTINGS:
        node: Node | None = written.get(setting.name)
        from_shell = setting.textual
        if setting.textual and setting.name in overrides:
            node = _from_text(f"option {setting.name}", setting, overrides[setting.name])
        elif setting.env and environ.get(setting.env):
            node = _from_text(f"environment {setting.env}", setting, environ[setting.env])
        else:
            from_shell = False
        if node is None and setting.default is not None:
            node = raw("default", setting.default)
        value = None if node is None else setting.kind.read(node, setting.name, report)
        given[setting.name] = Given(value, node.place if node else "default", from_shell)
    return given


def misspelt_variables(environ: MappingOf[str, str]) -> Iterator[tuple[str, str]]:
    """Environment variables that look like one of ours but are none, with a hint for each.

    Only near misses: the prefix is not ours alone.
    """
    known = [setting.env for setting in SETTINGS if setting.env]
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            hint = nearest(
                name.removeprefix(ENV_PREFIX), [e.removeprefix(ENV_PREFIX) for e in known]
            )
            if "did you mean" in hint:
                yield name, hint.replace("did you mean ", f"did you mean {ENV_PREFIX}")


def _from_text(place: str, setting: Setting, text: str) -> Node | None:
    """The node of an option's text; None (the default holds) when it is empty, but for a list."""
    if not text and not isinstance(setting.kind, ListOf):
        return None
    return raw(place, text)


def _leaves(table: Mapping, prefix: str, report: Report) -> Iterator[tuple[str, Node]]:
    """The settings written in a file, by dotted name; unknown keys are reported."""
    for name, node in table.entries:
        key = dotted(prefix, name.text)
        if key in BY_NAME:
            yield key, node
        elif key not in SECTIONS:
            siblings = {
                known.removeprefix(f"{prefix}.") if prefix else known
                for known in (*SECTIONS, *BY_NAME)
                if known.rpartition(".")[0] == prefix
            }
            hint = nearest(name.text, siblings)
            if "did you mean" not in hint:
                elsewhere = {known for known in BY_NAME if known.endswith(f".{name.text}")}
                hint = nearest(min(elsewhere), elsewhere) if elsewhere else hint
            report.add(name.place, key, f"unknown key{hint}")
        elif isinstance(node, Mapping):
            yield from _leaves(node, key, report)
        else:
            wanted = f"wanted a table of keys under {key}"
            report.add(node.place, key, f"{describe(node)}; {wanted}")
