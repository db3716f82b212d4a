"""WebRTC's audio processing, imported by name."""

from fastrtc_core.__pyinstaller import collect

hiddenimports, datas, binaries = collect("pywebrtc_audio")
