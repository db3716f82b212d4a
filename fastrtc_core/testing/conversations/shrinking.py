"""From a conversation that fails to the shortest one that still does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..reducing import parts_left_out, reduce
from .scripts import Item, Script, Setting, Utterance

_SHORTEST_GAP = 0.5
_STEPS = 200


def shrink(script: Script, fails: Callable[[Script], bool], *, steps: int = _STEPS) -> Script:
    """Make a failing conversation as short and plain as it can be while it fails.

    Items, phrases and pauses are left out, gaps halved, and the setting is made plainer, as long
    as `fails` says that the result still fails. Nothing that is left can be left out alone.

    Args:
        script: A script that fails.
        fails: Whether a script fails; it renders it, and must say the same of the same script.
        steps: How often `fails` is called at most.

    Raises:
        ValueError: If the script does not fail.
    """
    return reduce(script, fails, _smaller, steps=steps)


def _smaller(script: Script) -> Iterator[Script]:
    """Scripts that are a little smaller, those that leave out most first."""
    items = script.items
    for rest in parts_left_out(items):
        if rest:
            yield replace(script, items=rest)
    for setting in _plainer(script.setting):
        yield replace(script, setting=setting)
    if script.agent_talks:
        yield replace(script, agent_talks=False)
    for number, item in enumerate(items):
        for smaller in _smaller_items(item):
            yield replace(script, items=(*items[:number], smaller, *items[number + 1 :]))


def _plainer(setting: Setting) -> Iterator[Setting]:
    plain = Setting()
    for name in ("noise", "t60", "telephone", "level", "echo"):
        if getattr(setting, name) != getattr(plain, name):
            yield replace(setting, **{name: getattr(plain, name)})


def _smaller_items(item: Item) -> Iterator[Item]:
    if item.answer is not None:
        yield replace(item, answer=None)
    if isinstance(item.what, Utterance):
        phrases, pauses = item.what.phrases, item.what.pauses
        for number in range(len(phrases) if len(phrases) > 1 else 0):
            between = max(0, number - 1)
            rest = Utterance(
                phrases[:number] + phrases[number + 1 :],
                pauses[:between] + pauses[between + 1 :],
            )
            yield replace(item, what=rest)
    if item.gap > _SHORTEST_GAP:
        yield replace(item, gap=max(_SHORTEST_GAP, round(item.gap / 2, 3)))
