"""How the UI looks: system fonts alone, so that no page waits for a font of another host."""

from __future__ import annotations

import gradio as gr

_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

PAGE_CSS = """
.gradio-container { width: 100%; max-width: 1080px !important; margin: 0 auto !important; }
.gradio-container:not(:has(.fastrtc-side)) { max-width: 660px !important; }
.gradio-container main { padding-top: 28px; }
.gradio-container footer :is(.show-api, .show-api-divider) { display: none; }
"""
"""The layout of a page that shows nothing else."""

HEADER_CSS = """
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
    return theme.set(
        block_radius="16px",
        container_radius="16px",
        # Labels and hints at a contrast of 4.5 to 1 (WCAG 2.2, 1.4.3); Gradio's 400 has 2.6.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
    )


def is_default(theme: gr.themes.Base) -> bool:
    """Whether a theme looks as Gradio does where nobody chose a theme."""
    return type(theme) is gr.themes.Default and _css(theme) == _css(gr.themes.Default())


def _css(theme: gr.themes.Base) -> str:
    css: str = theme._get_theme_css()  # type: ignore[no-untyped-call]
    return css
