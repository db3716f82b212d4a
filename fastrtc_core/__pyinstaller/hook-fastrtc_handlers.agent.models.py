"""The client of OpenAI's API, imported by name."""

from fastrtc_core.__pyinstaller import collect

hiddenimports, datas, binaries = collect("openai")
