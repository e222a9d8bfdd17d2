"""What the commands that read the access log share: where it is, which records, what was wrong.

In: command line, the segments on disk. Out: options, a reader, complaints on standard error.
Must never: hold back that a record could not be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.accesslog.reader import LogReader
from proxy_addons.cli.common import add_common, settings_of
from proxy_addons.cli.log_text import complain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

OK, NOT_FOUND, WRONG = 0, 1, 2
"""Exit codes."""


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where the log is."""
    add_common(parser)
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="read the segments in this folder, such as a copy; needs no configuration",
    )


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which records are wanted."""
    parser.add_argument("--refused", action="store_true", help="only what was refused")
    parser.add_argument("--person", metavar="P", help="only of this person (exact name)")
    parser.add_argument("--host", metavar="H", help="only this host and its subdomains")


def folder(args: argparse.Namespace) -> Path:
    """The folder of the segments."""
    named: Path | None = args.directory
    return named or settings_of(args).paths.access_log_dir


def reader_of(args: argparse.Namespace, ends: Mapping[Path, int] | None = None) -> LogReader:
    """Reads the segments, and those that were sealed; a folder that was named, by itself."""
    sealed = None if args.directory else settings_of(args).paths.sealed_dir
    return LogReader(folder(args), ends, sealed)


def tell_problems(reader: LogReader) -> None:
    """Says what could not be read."""
    for path, offset in reader.unreadable:
        complain(f"{path}, byte {offset}: not a record; left out")
    for problem in reader.problems:
        complain(f"{problem}; its records are missing here")
