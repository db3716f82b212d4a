"""Speech for the tests of handlers."""

from __future__ import annotations

import pytest

from .conversations import Voices


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Voices:
    """Speech by espeak-ng, each sentence spoken once in a run of the tests."""
    try:
        return Voices(tmp_path_factory.mktemp("voices"))
    except FileNotFoundError as error:
        pytest.skip(str(error))
