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
from functools import partial

from ..browser.support import ROOT

HOST = "127.0.0.2"  # loopback, but not the address that `--lan` takes for "the machine itself"


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
        [sys.executable, str(ROOT / f"demo/{demo}.py"), "--lan", "--host", HOST, f"--port={port}"],
        stdout=subprocess.PIPE,
        text=True,
        # A job in the background of a script has Ctrl+C ignored, and so have its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
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
