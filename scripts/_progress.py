"""Reads what pip prints and says how far it is: packages, size, time; in one line of a terminal.

Where no terminal shows it, only the large packages and the steps get a line.
"""

import os
import re
import select
import sys
import time

LARGE = 10.0  # MB; from here on a package gets a line where there is no terminal
UNITS = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}
# "Downloading gradio-6.0-py3-none-any.whl (23.1 MB)", or "Using cached …"
FETCHED = re.compile(r"\s*(Downloading|Using cached) (?:\S*/)?([\w.]+?)-\d\S* \(([\d.]+) (\w+)\)")
INSTALLING = re.compile(r"Installing collected packages: (.*)")


class Progress:
    """What was seen so far."""

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal
        self.began = time.monotonic()
        self.packages = 0
        self.size = 0.0
        self.step = "Looking up what is needed"
        self.installed = False

    def take(self, line: str) -> None:
        """Take a line of pip."""
        if found := FETCHED.match(line):
            how, name, number, unit = found.groups()
            size = float(number) * UNITS.get(unit, 0.0)
            self.packages += 1
            self.size += size
            verb = "Downloading" if how == "Downloading" else "Taking from the cache"
            self.step = f"{verb} {name} ({size:.1f} MB)"
            if size >= LARGE:
                self.note()
        elif found := INSTALLING.match(line):
            self.step = f"Unpacking {len(found[1].split(', '))} packages, {self.size:.0f} MB"
            self.note()
        elif line.startswith("Successfully installed"):
            self.installed = True

    def note(self) -> None:
        """A line of its own, where lines stay."""
        if not self.terminal:
            print(f"  {self.step}", file=sys.stderr, flush=True)

    def show(self) -> None:
        """Draw the line anew."""
        if self.terminal:
            fetched = f"{self.packages} packages, {self.size:.0f} MB" if self.packages else ""
            parts = [self.clock(), *filter(None, [fetched]), self.step]
            print(f"\r\033[K  {' · '.join(parts)[:78]}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Say what it was, unless it failed: then pip has said so."""
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        if self.installed:
            what = f"{self.packages} packages, {self.size:.0f} MB" if self.packages else "it"
            print(f"  Installed {what}, in {self.clock()}", file=sys.stderr, flush=True)

    def clock(self) -> str:
        """How long it has taken."""
        seconds = int(time.monotonic() - self.began)
        return f"{seconds // 60}:{seconds % 60:02d}"


def main() -> None:
    """Read until pip ends."""
    progress = Progress(sys.stderr.isatty())
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], 1.0)  # the clock goes on while pip is silent
        if ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                progress.take(line.decode(errors="replace"))
        progress.show()
    progress.end()


if __name__ == "__main__":
    main()
