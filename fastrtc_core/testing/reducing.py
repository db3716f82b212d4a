"""From what fails to the smallest that still does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def reduce(
    case: T, fails: Callable[[T], bool], smaller: Callable[[T], Iterable[T]], *, steps: int = 200
) -> T:
    """Make a case that fails as small as it can be while it fails.

    Args:
        case: A case that fails.
        fails: Whether a case fails; it must say the same of the same case.
        smaller: Cases that are a little smaller than one, those that leave out most first.
        steps: How often `fails` is called at most.

    Raises:
        ValueError: If the case does not fail.
    """
    if not fails(case):
        raise ValueError("The case does not fail")
    left = steps - 1
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in smaller(case):
            if left == 0:
                return case
            left -= 1
            if fails(candidate):
                case, shrunk = candidate, True
                break
    return case


def parts_left_out(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """A sequence without its halves, its quarters, and so on, down to single items."""
    size = max(1, len(items) // 2)
    while size and items:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2
