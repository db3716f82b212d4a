"""Runs: a session of a handler with an input source in place of a client."""

from .run import RunOptions, RunResult, run_source

__all__ = ["RunOptions", "RunResult", "run_source"]
