"""The client of the Model Context Protocol, imported by name."""

from fastrtc_core.__pyinstaller import collect

hiddenimports, datas, binaries = collect("mcp")
