"""How the UI looks: system fonts alone, so that no page waits for a font of another host."""

from __future__ import annotations

import gradio as gr

_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

CSS = """
.gradio-container { width: 100%; max-width: 1080px !important; margin: 0 auto !important; }
.gradio-container:not(:has(.fastrtc-side)) { max-width: 660px !important; }
.gradio-container main { padding-top: 28px; }
.gradio-container footer .show-api-divider { display: none; }
.fastrtc-header { text-align: center; }
.fastrtc-header h1 { margin: 0; }
.fastrtc-header p { margin: 8px 0 0; opacity: 0.75; }
"""


def make_theme() -> gr.themes.Base:
    """The theme of the UI, light and dark."""
    theme: gr.themes.Base = gr.themes.Default(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.emerald,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=_SANS,
        font_mono=_MONO,
    )
    return theme.set(block_radius="16px", container_radius="16px")
