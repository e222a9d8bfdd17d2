"""The options that each process of a gateway takes which the supervisor starts.

In: a command line. Out: settings. Must never: start on settings that have an error in them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from proxy_addons.settings.model import Settings


def parser_of(module: str, description: str) -> argparse.ArgumentParser:
    """A parser with what all parts take; each adds its own.

    Args:
        module: as `python -m` names it.
        description: what it is.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    config = Path(os.environ.get("WATCHHOUSE_CONFIG", "config"))
    parser.add_argument("--config", type=Path, default=config, help="configuration folder")
    parser.add_argument("--data", type=Path, help="data folder; else as the settings say")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, e.g. listen.proxy=0.0.0.0:3128; may be repeated",
    )
    parser.add_argument(
        "--with-parent",
        nargs="?",
        type=int,
        const=0,
        metavar="PID",
        help="end when the process that started it ends; with its id also where that has ended"
        " before this one could look",
    )
    return parser


def settings_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Settings:
    """The settings that options name; ends the process where one is written wrongly.

    Raises:
        SettingsError: there is an error in them.
    """
    overrides = {}
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            parser.error(f"--set {pair}: write KEY=VALUE")
        overrides[key] = value
    if options.data is not None:
        overrides["data_dir"] = str(options.data.absolute())
    return load(options.config, overrides=overrides, environ=os.environ)
