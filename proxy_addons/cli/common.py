"""What all commands share: where the configuration is, and how it is overridden.

In: parsed arguments, the environment. Out: `Settings`.
Must never: fall back to another folder than the one that was named.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.settings.load import Examined, examine

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import date

    from proxy_addons.settings.model import Paths, Settings

# Options for the settings that are most often overridden; --set reaches all others.
_SHORTHANDS = (
    ("listen.proxy", "ADDRESS", "address of the proxy, host:port; several with commas between"),
    ("listen.portal", "ADDRESS", "address of the portal"),
    ("listen.workers", "NUMBER", "worker processes, or auto"),
)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has."""
    group = parser.add_argument_group("configuration")
    group.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        help="configuration folder (environment: WATCHHOUSE_CONFIG; default: config)",
    )
    group.add_argument(
        "--data",
        metavar="DIR",
        help="data folder (environment: WATCHHOUSE_DATA; default: data_dir of the settings)",
    )
    for name, metavar, what in _SHORTHANDS:
        option = "--" + name.replace(".", "-")
        group.add_argument(option, metavar=metavar, dest=name, help=f"{what} (setting {name})")
    group.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=_pair,
        help="override any setting, e.g. --set network.connect_timeout=5; may be repeated",
    )


def config_dir_of(args: argparse.Namespace) -> Path:
    """The configuration folder: `--config`, else WATCHHOUSE_CONFIG, else `config`."""
    given: Path | None = args.config
    return given or Path(os.environ.get("WATCHHOUSE_CONFIG") or "config")


def overrides_of(args: argparse.Namespace) -> dict[str, str]:
    """The settings that the command line gives, by dotted key."""
    overrides: dict[str, str] = dict(args.set)
    for name, *_ in _SHORTHANDS:
        if (value := getattr(args, name)) is not None:
            overrides[name] = value
    if args.data is not None:
        overrides["data_dir"] = args.data
    return overrides


def settings_of(args: argparse.Namespace, *, today: date | None = None) -> Settings:
    """The settings that the command line and the environment ask for.

    Args:
        args: of a parser that went through `add_common`.
        today: the date around which bank holidays are needed; None for the present one.

    Raises:
        SettingsError: anything is wrong; `main` shows it and ends.
    """
    return examined(args, today=today).settings


def examined(
    args: argparse.Namespace,
    *,
    known_categories: Callable[[Paths], Collection[str] | None] | None = None,
    today: date | None = None,
) -> Examined:
    """As `settings_of`, with warnings, and with categories checked.

    Args:
        args: of a parser that went through `add_common`.
        known_categories: finds the categories of all lists; None leaves categories unchecked.
        today: see `settings_of`.

    Raises:
        SettingsError: anything is wrong.
    """
    return examine(
        config_dir_of(args),
        overrides=overrides_of(args),
        environ=os.environ,
        known_categories=known_categories,
        today=today,
    )


def known_categories(paths: Paths) -> frozenset[str] | None:
    """The categories that any list has, compiled or not.

    Returns:
        Category ids; None when no list can be read (then a warning says why).
    """
    from proxy_addons.categorisation import (
        CategorySourceError,
        SourceFolders,
        category_names,
        read_sources,
    )

    folders = SourceFolders(paths.categories_dir, paths.imported_lists_dir)
    try:
        return category_names(read_sources(folders))
    except CategorySourceError as problem:
        # No request is in hand. The rest of the configuration is checked all the same.
        print(f"warning: the categories that the policy names are not checked: {problem}")
        return None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        msg = "wanted KEY=VALUE, e.g. listen.proxy=127.0.0.1:9090"
        raise argparse.ArgumentTypeError(msg)
    return key.strip(), value.strip()
