"""libopus, which is loaded by its path in the wheel of PyAV."""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = [found for found in collect_dynamic_libs("av") if "opus" in found[0]]
