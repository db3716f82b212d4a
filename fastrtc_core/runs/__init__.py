"""Runs: a session of a handler with an input source in place of a client."""

from .run import run_source
from .types import RunOptions, RunResult

__all__ = ["RunOptions", "RunResult", "run_source"]
