"""A page used by keyboard alone, and looked over by axe-core on the way.

In: a Playwright page. Out: keys pressed; an error where the keyboard leads nowhere, or axe objects.
Must never: click, or set a value past the keyboard.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

axe = pytest.importorskip("axe_core_python.async_playwright", reason="axe is not installed")

if TYPE_CHECKING:
    from playwright.async_api import Page

_STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Of what is in order an example each: all of it takes longer to hand over than to find.
_OPTIONS = {"runOnly": _STANDARD, "resultTypes": ["violations"]}
_MOST_TABS = 250
# $WATCHHOUSE_SCREENSHOTS: a folder for pictures of all pages that are looked over, for people.
_PICTURES = os.environ.get("WATCHHOUSE_SCREENSHOTS")

# What sticks out of the sheet that it is on: to be seen, but beyond its edge.
# But for what stands in a part of the page that scrolls by itself, or is cut off to one pixel.
_OUTSIDE = """() => {
    const sheet = document.querySelector(".sheet"), edge = sheet.getBoundingClientRect().right
    return [...sheet.querySelectorAll("*:not(svg *, .scrolled *, .stack thead *)")]
        .filter(each => each.getBoundingClientRect().right > edge + 1)
        .map(each => each.outerHTML.slice(0, 120))
}"""


async def reach(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus; it must then show that it has."""
    for _ in range(_MOST_TABS):
        if await page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
            outline = await page.evaluate(
                "() => getComputedStyle(document.activeElement).outlineStyle"
            )
            assert outline != "none", f"{selector}: nobody sees that it has the focus"
            return
        await page.keyboard.press("Tab")
    msg = f"{page.url}: Tab does not lead to {selector}"
    raise AssertionError(msg)


async def write(page: Page, selector: str, text: str) -> None:
    """Type into a field, in place of what is there."""
    await reach(page, selector)
    await page.keyboard.press("Control+A")
    await page.keyboard.type(text)


async def tick(page: Page, selector: str) -> None:
    """Choose a radio button or tick a box."""
    await reach(page, selector)
    await page.keyboard.press("Space")
    assert await page.is_checked(selector)


async def day(page: Page, selector: str, iso: str) -> None:
    """Type a day into a date field, whose parts come in the order of the browser's language."""
    year, month, number = iso.split("-")
    await reach(page, selector)
    for typed in (number + month + year, month + number + year):
        await page.keyboard.type(typed)
        if await page.input_value(selector) == iso:
            return
        # Back to the first of the three parts.
        for _ in range(2):
            await page.keyboard.press("Shift+Tab")
    msg = f"{selector}: {iso} cannot be typed"
    raise AssertionError(msg)


async def press(page: Page, selector: str, *, look: bool = True) -> None:
    """Follow a link or press a button by Enter, and wait for the page that comes; look it over.

    Args:
        page: the page.
        selector: of the link or button.
        look: whether the new page is looked over; not for one that has been just before.
    """
    await reach(page, selector)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    if look:
        await look_over(page)


async def accessible(page: Page) -> None:
    """No violation by axe."""
    results = await axe.Axe().run(page, options=_OPTIONS)
    violations = [
        (each["id"], [n["html"] for n in each["nodes"]]) for each in results["violations"]
    ]
    assert not violations, (page.url, violations)
    assert results["passes"], "axe has looked at the page"


async def look_over(page: Page, name: str = "") -> None:
    """No violation by axe, nothing to scroll to sideways, the notice of monitoring.

    Args:
        page: the page.
        name: of its picture; made of its address unless given.
    """
    if _PICTURES:
        width = await page.evaluate("document.documentElement.clientWidth")
        dark = await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        shown = name or "page-" + re.sub(
            r"\W+", "-", page.url.partition("//")[2].partition("/")[2]
        ).strip("-")
        file = f"{shown}-{width}-{'dark' if dark else 'light'}.png"
        await page.screenshot(path=Path(_PICTURES) / file, full_page=True)
    await accessible(page)
    width = await page.evaluate("document.documentElement.clientWidth")
    scrolled = await page.evaluate("document.documentElement.scrollWidth")
    assert scrolled <= width, f"{page.url} needs sideways scrolling at {width} px"
    assert await page.evaluate(_OUTSIDE) == [], f"{page.url} at {width} px"
    assert await page.get_by_role("heading", name="Monitoring").count() == 1
