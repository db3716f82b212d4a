"""A demo that is served to the network."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..browser.support import ROOT

HOST = "127.0.0.2"  # loopback, but not the address that `--lan` takes for "the machine itself"


RUN = """
import runpy, signal, sys
# A job in the background of a script has Ctrl+C ignored, and so have its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
folder, demo = sys.argv[1:3]
sys.path.insert(0, folder)
sys.argv = [f"{folder}/{demo}.py", *sys.argv[3:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextmanager
def serving_lan(demo: str) -> Iterator[tuple[str, str]]:
    """Run a demo with `--lan`, where there is a proxy that leads nowhere; Ctrl+C in the end.

    Yields:
        Its address as it says it, and its certificate (PEM), once it listens.
    """
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    url = f"https://{HOST}:{port}/"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", RUN, str(ROOT / "demo"), demo),
            *("--lan", "--host", HOST, f"--port={port}"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"https_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""},
    )
    try:
        assert process.stdout is not None
        assert any(url in line for line in process.stdout)
        while True:
            try:
                pem = ssl.get_server_certificate((HOST, port), timeout=5)
                break
            except ConnectionRefusedError:
                assert process.poll() is None
        yield url, pem
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.communicate()
