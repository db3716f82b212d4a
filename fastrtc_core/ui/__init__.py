"""The Gradio UI of a stream; the only package that imports gradio."""

from .blocks import StreamBlocks, build_ui
from .component import StreamWidget

__all__ = ["StreamBlocks", "StreamWidget", "build_ui"]
