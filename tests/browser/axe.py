"""What axe-core finds wrong with a page by WCAG 2.2, levels A and AA."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

SCRIPT = files("axe_playwright_python").joinpath("axe.min.js")

_RUN = """async (context) => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const options = { runOnly: tags, resultTypes: ["violations"] };
  const { violations } = await axe.run(context ?? document, options);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}\\n${failureSummary}`));
}"""


def violations_in_both_schemes(page: Page, within: str | None = None) -> list[str]:
    """The same for light and dark; in the end the page is light."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {one}" for one in violations(page, within)]
    return found


def violations(page: Page, within: str | None = None) -> list[str]:
    """A text for each thing that breaks a rule, with the element; all of the page or a part."""
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    # What fades in has only then the colours that it will have.
    page.evaluate("Promise.all(document.getAnimations().map((one) => one.finish()))")
    found: Any = page.evaluate(_RUN, within)
    return [str(one) for one in found]
