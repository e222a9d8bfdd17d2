"""The copy of their records that somebody has asked for: names of others, a preview, the download.

In: a visit, an authorisation of kind `subject-access`, names of others. Out: pages; a zip.
Must never: cut by itself (the desk does, and refuses what the authorisation is not for); send a
part of a copy as if it were the whole; let a copy go out that nobody has promised to read.
"""

from __future__ import annotations

import asyncio
import tempfile
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.audit.desk.copying import MOST_KNOWN, MOST_WORDS, MakeCopy, PreviewCopy
from proxy_addons.audit.subjectaccess import SHOWN
from proxy_addons.audit.subjectnames import BEFORE_AT, CLAIMED, KNOWN, LIKE_A_LOGIN
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.asked import Asked, asked
from proxy_addons.portal.psd.exported import sent
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import moment_words
from proxy_addons.rights.opening import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy_addons.audit.desk.copying import CopyPreview
    from proxy_addons.portal.psd.asking import Asking
    from proxy_addons.portal.signin.guard import Guard, Handler, Visit, VisitHandler

_PATH: Final = "/psd/copy"
_LONGEST: Final = 128  # characters of one name
_PATIENCE: Final = 5.0  # seconds for the directory
RULES: Final = {
    "sign-in": "the name before an @ in front of a site, which is not the subject's",
    "e-mail": "an e-mail address that is not the subject's",
    "name": "a name or word that you gave",
    "encoding": "encoded so often that nobody can say what it is",
    "address": "no address that could be taken apart",
}
"""By which something is cut (audit/subjectaccess.py), in words."""
WHY: Final = {
    KNOWN: "somebody here has this name",
    CLAIMED: "given as a name, without a proof",
    BEFORE_AT: "before an @",
    LIKE_A_LOGIN: "has the form of a login name",
}


class Copies:
    """The handlers."""

    def __init__(self, asking: Asking, guard: Guard) -> None:
        self._asking = asking
        self._guard = guard
        self._zone = asking.services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""

        def page(handler: VisitHandler) -> Handler:
            return self._guard.page(PAGES["search"], self._asking.caught(handler))

        return [
            web.get(_PATH, page(self.ask)),
            web.post(_PATH, page(self.preview)),
            web.post(f"{_PATH}/file", page(self.download)),
        ]

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form, with names that are known."""
        wanted = asked(request.query, self._zone)
        if not wanted.authorisation or wanted.problems:
            raise web.HTTPNotFound
        known = await self._around(visit, wanted.authorisation)
        found = await self._previewed(visit, wanted, Form({}), known)
        proposed = await self._known(found)
        return self._show(visit, wanted, Form({"others": ["\n".join(proposed)]}), found, asks=True)

    async def preview(self, request: web.Request, visit: Visit) -> web.Response:
        """What would be cut."""
        form = await Form.posted(request)
        wanted = self._read(form)
        found = None if form.problems else await self._previewed(visit, wanted, form)
        return self._show(visit, wanted, form, found, status=400 if form.problems else 200)

    async def download(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        """The copy."""
        form = await Form.posted(request)
        wanted = self._read(form)
        if not form.problems and not form.ticked("reads"):
            found = await self._previewed(visit, wanted, form)
            form.wrong("reads", "Say that it is read before it goes out")
            return self._show(visit, wanted, form, found, status=400)
        if form.problems:
            return self._show(visit, wanted, form, None, status=400)
        call = MakeCopy(
            authorisation=wanted.authorisation,
            question=wanted.question,
            own=_lines(form, "own"),
            others=_lines(form, "others"),
        )
        name = f"{wanted.authorisation.lower()}-copy-{visit.now:%Y%m%dT%H%M%SZ}.zip"
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: "application/zip",
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
        }
        with tempfile.TemporaryDirectory(prefix="watchhouse-") as folder:
            made = Path(folder) / "copy.zip"
            await _written(made, self._asking.stream(visit, call))
            return await sent(request, made, headers)

    # --- inside -----------------------------------------------------------------------------

    def _read(self, form: Form) -> Asked:
        wanted = asked({name: form.text(name) for name in form.fields}, self._zone)
        for name, words in wanted.problems:
            form.wrong(name, words)
        if not wanted.authorisation:
            form.wrong("", "No authorisation is named: begin on its page")
        given = {name: _lines(form, name) for name in ("own", "others")}
        for name, several in given.items():
            if any(len(each) > _LONGEST for each in several):
                form.wrong(name, f"At most {_LONGEST} characters on a line")
        if sum(map(len, given.values())) > MOST_WORDS:
            form.wrong("others", f"At most {MOST_WORDS} lines")
        return wanted

    async def _around(self, visit: Visit, reference: str) -> tuple[str, ...]:
        """Names of people about the subject; none where the desk will refuse anyway."""
        services = self._asking.services

        def subjects() -> frozenset[str]:
            found = services.authorisations().looked_by(visit.actor, reference)
            return frozenset(found.subjects) if found is not None else frozenset()

        names: set[str] = set()
        for subject in await services.threads.run(subjects):
            names |= await services.people.around(subject)
        return tuple(sorted(names))[:MOST_KNOWN]

    async def _previewed(
        self, visit: Visit, wanted: Asked, form: Form, known: tuple[str, ...] = ()
    ) -> CopyPreview:
        call = PreviewCopy(
            authorisation=wanted.authorisation,
            question=wanted.question,
            own=_lines(form, "own"),
            others=_lines(form, "others"),
            known=known,
        )
        return await self._asking.ask(visit, call)

    async def _known(self, found: CopyPreview) -> list[str]:
        """Words of the records that are login names of people here."""
        people = self._asking.services.people
        sure = {each.text for each in found.words if each.why == KNOWN}
        words = sorted({each.text for each in found.words} - sure)
        try:
            async with asyncio.timeout(_PATIENCE):
                are = await asyncio.gather(*(people.is_known(each) for each in words))
        except TimeoutError:
            # A slow directory: less is proposed, and all words stand in the list below.
            return sorted(sure)
        return sorted(sure | {word for word, known in zip(words, are, strict=True) if known})

    def _show(
        self,
        visit: Visit,
        wanted: Asked,
        form: Form,
        found: CopyPreview | None,
        *,
        asks: bool = False,
        status: int = 200,
    ) -> web.Response:
        others = {each.casefold() for each in _lines(form, "others")}
        words = found.words if found else ()
        return self._asking.services.answers.show(
            "psd-copy.html",
            status=status,
            visit=visit,
            here="authorisations",
            wanted=wanted,
            form=form,
            problems=form.problems,
            found=found,
            asks=asks,
            begins=moment_words(found.since, self._zone) if found else "",
            shown=SHOWN,
            ends=moment_words(found.until, self._zone) if found else "",
            cut=[(RULES.get(rule, rule), times) for rule, times in sorted(found.cut.items())]
            if found
            else [],
            words=[(each.text, WHY[each.why], each.times)
                   for each in words if each.text not in others],
        )  # fmt: skip


def _lines(form: Form, name: str) -> tuple[str, ...]:
    """What stands on each line of a field, each once."""
    lines = (" ".join(each.split()) for each in form.text(name).splitlines())
    return tuple(dict.fromkeys(filter(None, lines)))


async def _written(made: Path, parts: AsyncIterator[bytes]) -> None:
    with await opened(lambda: made.open("wb"), BufferedWriter.close) as file:
        async for part in parts:
            await asyncio.to_thread(file.write, part)
