"""`watchhouse import-squidguard squidGuard.conf`: our configuration out of squidGuard's.

In: a squidGuard.conf, the lists that it names. Out: a folder with configuration, lists and index;
on standard output what could not be translated.
Must never: change a file that is there, or leave half a folder.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy_addons.cli.common import known_categories

if TYPE_CHECKING:
    import argparse

    from proxy_addons.categorisation import ImportReport
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.squidguard.model import Access, Conf, Destination
    from proxy_addons.settings.squidguard.translate import Translation

NOT_ALL: Final = 3
"""Exit code: it is translated, but for what is listed."""
_LARGEST: Final = 4 << 20  # octets of a squidGuard.conf
_LIST: Final = "squidguard"
_BLOCKED: Final = "302:http://blocked.example/?client=%a&user=%i&category=%t&url=%u"
_EXAMPLE: Final = "http://blocked.example/"
# An entry of a list, and where it leads by itself.
_LEADS: Final = re.compile(rb"^([^\s#]\S*)[ \t]+\S.*$", re.MULTILINE)
# Addresses as hosts, in the text that expressions are searched in (categorisation/entries.py): no
# name's last label is a number, and only an IPv6 address has a colon before the first slash.
_ADDRESSES: Final = "^[0-9]+(\\.[0-9]+){3}(/|$)\n^[0-9a-f]*:[0-9a-f:.]*(/|$)\n"


class RefusedError(Exception):
    """Nothing was made; the text says why."""


def register(subparsers: Commands) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import-squidguard",
        help="translate a squidGuard.conf",
        description="Translate a squidGuard.conf to policy.yaml and watchhouse.yaml, and take over"
        " the lists that it names. What cannot be translated is listed. Exit code 0: all of it is"
        " translated; 1: nothing was made; 3: made, but for what is listed.",
    )
    parser.add_argument("conf", metavar="FILE", type=Path, help="the squidGuard.conf")
    parser.add_argument(
        "--to",
        metavar="FOLDER",
        type=Path,
        default=Path("watchhouse"),
        help="the folder that is made (default: watchhouse)",
    )
    parser.add_argument(
        "--dbhome", metavar="FOLDER", help="where lists are, in place of what the file says"
    )
    parser.add_argument(
        "--time-zone",
        metavar="ZONE",
        default="Europe/London",
        help="in which its times are read (default: Europe/London)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.categorisation import CategoryError
    from proxy_addons.settings.problems import SettingsError
    from proxy_addons.settings.squidguard.reader import GrammarError

    try:
        conf, made, report = convert(args.conf, args.to, args.dbhome, args.time_zone)
    except (RefusedError, GrammarError, CategoryError, SettingsError, OSError) as problem:
        # Nothing was made.
        print(f"watchhouse: nothing was made: {problem}", file=sys.stderr)
        return 1
    _show(conf, made, report, args.to)
    return NOT_ALL if made.left else 0


def convert(
    path: Path, to: Path, dbhome: str | None, time_zone: str
) -> tuple[Conf, Translation, ImportReport | None]:
    """Make the folder.

    Args:
        path: the squidGuard.conf.
        to: the folder; nothing must be there.
        dbhome: where lists are; None: as the file says.
        time_zone: in which its times are read.

    Raises:
        RefusedError, GrammarError, CategoryError, SettingsError, OSError: nothing was made.
    """
    from proxy_addons.settings.squidguard.files import fill
    from proxy_addons.settings.squidguard.reader import read_conf

    if to.exists() or to.is_symlink():
        raise RefusedError(f"{to} is there already; name another folder with --to")
    data = path.read_bytes()
    if len(data) > _LARGEST:
        raise RefusedError(f"{path} is larger than {_LARGEST} octets; this is no configuration")
    conf = read_conf(data.decode("utf-8", "replace"), str(path))
    if dbhome is not None:
        conf.dbhome = dbhome
    fill(conf)
    to.parent.mkdir(parents=True, exist_ok=True)
    # Beside where it will stand, so that it is put there in one step.
    work = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        made, report = _make(conf, work, time_zone)
        work.chmod(0o755)
        work.rename(to)
    except BaseException:  # also Ctrl-C: nothing is left behind
        shutil.rmtree(work, ignore_errors=True)
        raise
    return conf, made, report


def _make(conf: Conf, work: Path, time_zone: str) -> tuple[Translation, ImportReport | None]:
    from proxy_addons.accesslog.seal.files import put
    from proxy_addons.categorisation import SourceFolders, ensure_index, import_lists
    from proxy_addons.settings.load import examine
    from proxy_addons.settings.squidguard.translate import translate
    from proxy_addons.settings.squidguard.written import (
        people_text,
        policy_text,
        redirects_text,
        settings_text,
    )

    categories = work / "categories"
    (categories / "local").mkdir(parents=True)
    lists_dir = work / "data" / "lists"
    staged = work / "staged"
    _check_redirects(conf)
    first = translate(conf)
    _copy_lists(conf, first, staged)
    report = None
    empty = set(conf.destinations)
    if any(staged.iterdir()):
        report = import_lists(staged, lists_dir, name=_LIST)
        filled = {name for name, kinds in report.counts.items() if sum(kinds.values())}
        empty = {
            name
            for name in conf.destinations
            if first.category_of[name] not in filled and conf.destinations[name].lists
        }
    shutil.rmtree(staged)
    made = translate(conf, empty)
    config = work / "config"
    texts = {
        "policy.yaml": policy_text(made, Path(conf.name).name, time_zone),
        "watchhouse.yaml": settings_text(made, Path(conf.name).name),
        "people.yaml": people_text(made, Path(conf.name).name),
        "redirects.yaml": redirects_text(made, Path(conf.name).name),
    }
    for name, text in texts.items():
        if text is not None:
            put(config / name, text.encode(), mode=0o644)
    # As `watchhouse check` does, so that what is made here passes there.
    known = known_categories if report is not None else None
    settings = examine(config, environ={}, known_categories=known).settings
    if report is not None:
        ensure_index(SourceFolders(categories, lists_dir), settings.paths.index_file)
    return made, report


def _check_redirects(conf: Conf) -> None:
    """See that `watchhouse decide` takes each redirect; what it does not take is noted."""
    from proxy_addons.gate.redirector.answers import redirect_of
    from proxy_addons.settings.squidguard.model import Left
    from proxy_addons.settings.squidguard.redirects import template_of
    from proxy_addons.settings.squidguard.translate import DEFAULT

    blocks: list[tuple[str, Destination | Access]] = [
        *((f"destination {name}", each) for name, each in conf.destinations.items()),
        *((f"acl {each.source}", each) for each in conf.access),
    ]
    for name, block in blocks:
        try:
            if block.redirect:
                redirect_of(template_of(block.redirect, "x", "x"))
        except ValueError as problem:
            # The rest stands: it is refused all the same, and leads where others do.
            conf.left.append(Left(block.line, f"the redirect of the {name}", str(problem)))
            block.redirect = _EXAMPLE if name == f"acl {DEFAULT}" else ""


def _copy_lists(conf: Conf, made: Translation, staged: Path) -> None:
    """Put the lists together as we have them; what cannot be read is noted."""
    from proxy_addons.settings.squidguard.files import path_of
    from proxy_addons.settings.squidguard.model import Left
    from proxy_addons.settings.squidguard.translate import IN_ADDR

    staged.mkdir()
    if any(name == IN_ADDR for access in conf.access for name, *_ in access.passes or ()):
        folder = staged / made.category_of[IN_ADDR]
        folder.mkdir()
        (folder / "expressions").write_text(_ADDRESSES, encoding="ascii")
    for name, destination in conf.destinations.items():
        for kind, (written, line) in destination.lists.items():
            path = path_of(conf, written)
            try:
                data = path.read_bytes()
            except OSError as problem:
                # squidGuard goes on without it, or passes everything: here it is said.
                what = f"the list {written} of {name}: {path}: {problem.strerror}"
                conf.left.append(Left(line, what, "put it there, or name another --dbhome"))
                continue
            if kind == "expressions":
                _note_expressions(conf, path, data)
            else:
                data = _without_redirects(conf, path, data)
            folder = staged / made.category_of[name]
            folder.mkdir(exist_ok=True)
            (folder / kind).write_bytes(data)


def _without_redirects(conf: Conf, path: Path, data: bytes) -> bytes:
    """The entries alone, where squidGuard has them lead somewhere of their own."""
    from proxy_addons.settings.squidguard.model import Left

    first = _LEADS.search(data)
    if first is None:
        return data
    entries, count = _LEADS.subn(rb"\1", data)
    line = data.count(b"\n", 0, first.start()) + 1
    what = f"where entries lead by themselves ({count:,} of them, the first here)"
    instead = "nothing, if they may lead where their list does"
    conf.left.append(Left(line, what, instead, str(path)))
    return entries


def _note_expressions(conf: Conf, path: Path, data: bytes) -> None:
    """What squidGuard takes for expressions and we do not."""
    from proxy_addons.settings.squidguard.model import Left

    for number, text in enumerate(data.split(b"\n")[:-1], 1):
        if not text.strip():
            what = "an empty line, which squidGuard takes for an expression that fits everything"
            conf.left.append(Left(number, what, "take the line out there too", str(path)))
        elif text.startswith(b"#"):
            what = "a comment, which squidGuard takes for an expression"
            conf.left.append(Left(number, what, "nothing", str(path)))


def _show(conf: Conf, made: Translation, report: ImportReport | None, to: Path) -> None:
    blocks = f"{len(conf.sources)} sources, {len(conf.destinations)} destinations"
    print(f"{conf.name}: {blocks}, {len(conf.access)} blocks of acl, {len(conf.spaces)} times")
    counts = f"{len(made.rules)} rules, {len(made.profiles)} profiles"
    print(f"{to}: {counts}, {len(made.spaces)} time spaces")
    if report is not None:
        entries = sum(sum(kinds.values()) for kinds in report.counts.values())
        print(f"{entries:,} entries of lists; {len(report.problems):,} lines of them are not used")
        for text in report.problems.lines():
            print(f"  {text}")
    if made.left:
        print(f"\nNot translated ({len(made.left)}):")
    for left in sorted(made.left, key=lambda each: (each.file, each.line)):
        print(f"  {left.file or conf.name}:{left.line}: {left.what}; {left.instead}")
    config = to.absolute() / "config"
    options = f"--config {config}"
    if made.clients.users:
        options += f" --people {config}/people.yaml"
    if any(rule.redirect for rule in made.rules):
        options += f" --redirects {config}/redirects.yaml"
    print(
        "\nIn squid.conf, in place of squidGuard:\n"
        f"  url_rewrite_program /usr/bin/watchhouse decide {options}"
        f" --redirect '{made.redirect or _BLOCKED}'\n"
        "  url_rewrite_children 4 startup=2 idle=1 concurrency=100\n"
        f"\nNext: watchhouse check --config {to}/config"
    )
