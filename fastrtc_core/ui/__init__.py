"""The Gradio UI of a stream; the only package that imports gradio."""

from .blocks import StreamBlocks, build_ui
from .component import StreamWidget, add_text_box

__all__ = ["StreamBlocks", "StreamWidget", "add_text_box", "build_ui"]
