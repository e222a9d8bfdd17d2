"""Files that a squidGuard.conf names for its sources: addresses and users.

In: a `Conf` as it was read. Out: the same, its sources filled.
Must never: take a source whose file cannot be read for one that is for everybody.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.model import Left
from proxy_addons.settings.squidguard.of_sources import addresses_of

if TYPE_CHECKING:
    from proxy_addons.settings.squidguard.model import Conf


def path_of(conf: Conf, path: str) -> Path:
    """The file that a path of a configuration means."""
    return Path(conf.dbhome) / path  # one that is absolute stays so


def fill(conf: Conf) -> None:
    """Read the files of sources."""
    for name, kind, written, line in conf.files:
        source = conf.sources[name]
        path = path_of(conf, written)
        try:
            lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except OSError as problem:
            # Its clients are somebody else's, as with squidGuard, which says so in its log alone.
            what = f"{kind} {written} of the source {quoted(name)}: {problem.strerror}"
            conf.left.append(Left(line, what, "nobody was taken from it"))
            continue
        if kind == "userlist":
            assert source.users is not None
            source.users += [user for text in lines for user in _users(text)]
            continue
        assert source.ranges is not None
        for number, text in enumerate(lines, 1):
            for word in text.partition("#")[0].replace(",", " ").split():
                try:
                    source.ranges.append(addresses_of(word))
                except ValueError:
                    # The others of the file are taken.
                    what = f"{quoted(word)} of the source {quoted(name)}, which is no address"
                    conf.left.append(Left(number, what, "put it right", str(path)))


def _users(text: str) -> list[str]:
    text = text.partition("#")[0].lower()
    if ":" in text:  # a line as of /etc/passwd
        return [text.partition(":")[0].strip()]
    return text.replace(",", " ").split()
