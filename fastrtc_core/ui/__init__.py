"""The Gradio UI of a stream; the only package that imports gradio."""

from .blocks import StreamBlocks, build_ui

__all__ = ["StreamBlocks", "build_ui"]
