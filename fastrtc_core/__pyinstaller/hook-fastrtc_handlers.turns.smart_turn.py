"""ONNX Runtime, imported by name. The model is looked up in a package; a bundle passes its path."""

from fastrtc_core.__pyinstaller import collect

hiddenimports, datas, binaries = collect("onnxruntime")
