"""The browser client and the files of the UI, which are read and not imported."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("fastrtc_core")
