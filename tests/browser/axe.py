"""What axe-core finds wrong with a page by WCAG 2.2, levels A and AA."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page, ViewportSize

SCRIPT = files("axe_playwright_python").joinpath("axe.min.js")

_RUN = """async (context) => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const options = { runOnly: tags, resultTypes: ["violations"] };
  const { violations } = await axe.run(context ?? document, options);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}\\n${failureSummary}`));
}"""


_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def violations_at_all_sizes(
    page: Page, within: str | None = None, seen: Callable[[str], None] = lambda size: None
) -> list[str]:
    """The same on the phone that a page is on, and when that has a wide screen, which is light.

    No colour of a page depends on how wide it is.

    Args:
        page: The page, on a phone, as it is in the end.
        within: A selector of the part to look at; all of the page, unless it is set.
        seen: Is called for each size, with its name, when the page has it.
    """
    small = page.viewport_size
    assert small is not None
    found = []
    wide: ViewportSize = {"width": 1280, "height": 860}
    for size, viewport in (("desktop", wide), ("phone", small)):
        page.set_viewport_size(viewport)
        find = violations_in_both_schemes if viewport is small else violations
        found += [f"{size}: {one}" for one in find(page, within)]
        if page.evaluate(_TOO_WIDE) > 0:
            found.append(f"{size}: the page scrolls sideways")
        seen(size)
    return found


def violations_in_both_schemes(page: Page, within: str | None = None) -> list[str]:
    """The same for light and dark; in the end the page is light."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {one}" for one in violations(page, within)]
    return found


def violations(page: Page, within: str | None = None) -> list[str]:
    """A text for each thing that breaks a rule, with the element; all of the page or a part."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    # What fades in has only then the colours that it will have.
    page.evaluate("Promise.all(document.getAnimations().map((one) => one.finish()))")
    found: Any = page.evaluate(_RUN, within)
    return [str(one) for one in found]
