"""States that follow each other by a table alone."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Set
from typing import Generic, TypeVar

State = TypeVar("State", bound=enum.Enum)


class StateMachine(Generic[State]):
    """Where something is in its life.

    Args:
        what: Names it in errors.
        state: Where it begins.
        may_follow: Which states may follow each.

    Attributes:
        state: Where it is.
    """

    def __init__(self, what: str, state: State, may_follow: Mapping[State, Set[State]]) -> None:
        self.state = state
        self._what = what
        self._may_follow = may_follow

    def may_become(self, state: State) -> bool:
        """Whether this state may follow now."""
        return state in self._may_follow[self.state]

    def enter(self, state: State) -> None:
        """Go on.

        Raises:
            RuntimeError: If this state may not follow; the text names both.
        """
        if not self.may_become(state):
            raise RuntimeError(
                f"{self._what} cannot become {state.value}, it is {self.state.value}"
            )
        self.state = state

    def require(self, *states: State) -> None:
        """Refuse what only makes sense in these states.

        Raises:
            RuntimeError: If it is in another; the text names all.
        """
        if self.state not in states:
            expected = " or ".join(str(state.value) for state in states)
            raise RuntimeError(f"{self._what} must be {expected}, it is {self.state.value}")
