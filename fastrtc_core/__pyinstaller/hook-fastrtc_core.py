"""The UI, which a stream imports by its name, and files that are read."""

from PyInstaller.utils.hooks import collect_data_files

hiddenimports = ["fastrtc_core.ui"]
datas = collect_data_files("fastrtc_core")
