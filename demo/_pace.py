"""How fast something goes, said once a second."""

from time import perf_counter


class Pace:
    """Counts how often something was done, and how long it took."""

    def __init__(self) -> None:
        self._since = perf_counter()
        self._count = 0
        self._seconds = 0.0

    def note(self, began: float) -> tuple[float, float] | None:
        """It is done.

        Args:
            began: When it began, by `perf_counter`.

        Returns:
            How often it was done in a second, and how long it took, in ms; once a second.
        """
        now = perf_counter()
        self._count += 1
        self._seconds += now - began
        elapsed = now - self._since
        if elapsed < 1:
            return None
        figures = self._count / elapsed, 1000 * self._seconds / self._count
        self._since, self._count, self._seconds = now, 0, 0.0
        return figures
