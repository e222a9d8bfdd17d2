"""Records of the access log as lines for people.

In: a record. Out: text for a terminal.
Must never: send a character out of a record to the terminal that the terminal would act on.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from proxy_addons.accesslog.reader import started
from proxy_addons.accesslog.record import FIELDS

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.accesslog.reader import Entry

LOCAL = ZoneInfo("Europe/London")
_STYLES = {"block": "bold red", "allow": "green", "open": "yellow", "gap": "bold magenta"}


def visible(value: object) -> str:
    r"""Returns text with nothing in it that a terminal acts on or that cannot be seen.

    Control characters, direction marks, zero-width and unassigned characters become escapes such as
    `\x1b` or `\u202e`; a backslash is doubled, so that an escape can be told from text that merely
    looks like one.
    """
    text = str(value)
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        char if char.isprintable() and char != "\\" else ascii(char)[1:-1] for char in text
    )


def local_time(moment: datetime | None) -> str:
    """Returns a time as people in the force read clocks, to the second, with its zone."""
    return moment.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else "(no time)"


def _size(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def line_for(record: dict[str, Any]) -> Text:
    """Returns one record as a line for people."""
    event = record.get("event")
    word = str(record.get("action") or "-") if event == "transaction" else str(event)
    person = record.get("person") or f"({record.get('client_ip') or 'unknown'})"
    what = record.get("url") or f"{record.get('host') or '-'}:{record.get('port') or '-'}"
    duration = record.get("duration_ms")
    line = Text(no_wrap=True)
    line.append(local_time(started(record)), style="dim")
    line.append(f"  {visible(word):<5}", style=_STYLES.get(word, ""))
    line.append(f"  {visible(person)}", style="bold")
    line.append(f"  {visible(record.get('method') or record.get('kind') or '-')}")
    line.append(f" {visible(what)}")
    line.append(f"  {visible(record.get('rule') or '-')}", style="cyan")
    line.append(f"  {visible(record.get('status') or '-')}")
    line.append(f"  {_size(record.get('bytes_up'))} up {_size(record.get('bytes_down'))} down")
    line.append(f"  {duration:.0f} ms" if isinstance(duration, int | float) else "  ? ms")
    line.append(f"  {visible(record.get('id'))}", style="dim")
    if record.get("error"):
        line.append(f"  {visible(record['error'])}", style="red")
    return line


def console_of() -> Console:
    """A console for text that nobody has looked at."""
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal of another encoding gets escapes for what it cannot show, not a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    # No markup, emoji or highlighting: what stands in a record is text and nothing else.
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def complain(problem: object) -> None:
    """Says on standard error what is wrong."""
    print(f"watchhouse log: {visible(problem)}", file=sys.stderr)


_TITLES = {
    "transaction": "Closing record: the transaction is over",
    "open": "Opening record: the transaction was going on",
    "gap": "Gap: records were lost here",
}


def explain(console: Console, entry: Entry) -> None:
    """Prints all fields of a record, each with its meaning."""
    event = str(entry.record.get("event"))
    console.print(Text(_TITLES.get(event, visible(event)), style="bold"))
    console.print(Text(f"{visible(entry.segment)}, byte {entry.offset}", style="dim"))
    known = {field.name: field.meaning for field in FIELDS}
    for name in [*known, *(name for name in entry.record if name not in known)]:
        value = entry.record.get(name)
        line = Text(f"  {visible(name):<15}")
        line.append(_shown(name, value, entry.record), style="" if value is None else "bold")
        console.print(line)
        console.print(Text(f"  {'':<15}{known.get(name, 'Not a field of this version.')}", "dim"))
    console.print()


def _shown(name: str, value: object, record: dict[str, Any]) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(visible, value)) or "none"
    if name == "start":
        return f"{visible(value)}  ({local_time(started(record))})"
    return visible(value)
