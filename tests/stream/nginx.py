"""A real nginx in front of a server: with TLS, in the foreground, in a folder of its own."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.webrtc.support import eventually

NAME = "voice.example"
"""Of the server, for its clients."""

# Without `master_process` all is done by the user of the test.
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {name};
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        {locations}
    }}
}}
"""


def find_nginx() -> str | None:
    """The program; Debian keeps it where not every user looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Proxy:
    """One nginx.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        origin: That of the pages that it serves.
        trust: Makes its certificate a good one.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.origin = f"https://{NAME}:{self.port}"
        make_certificate(folder)
        self.trust = ssl.create_default_context(cafile=str(folder / "certificate.pem"))

    def http(self, source: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client that calls it by its name, from one of the addresses of this machine."""
        transport = _ByName(httpx.AsyncHTTPTransport(verify=self.trust, local_address=source))
        return httpx.AsyncClient(base_url=self.origin, transport=transport)

    def socket(self) -> dict[str, Any]:
        """Options of `websockets.connect` that lead to it, whatever the URL says."""
        return {"host": "127.0.0.1", "port": self.port, "ssl": self.trust}


class _ByName(httpx.AsyncBaseTransport):
    """Resolves every name to 127.0.0.1."""

    def __init__(self, inner: httpx.AsyncHTTPTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def behind_nginx(locations: str, folder: Path) -> AsyncIterator[Proxy]:
    """Run nginx with these `location` blocks."""
    program = find_nginx()
    assert program is not None
    proxy = Proxy(folder)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=proxy.port, name=NAME, locations=locations)
    )
    process = await asyncio.create_subprocess_exec(
        *(program, "-p", str(folder), "-c", str(configuration)), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    try:
        await eventually(lambda: process.returncode is not None or _listens(proxy.port), "nginx")
        assert process.returncode is None, (await errors).decode()
        yield proxy
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await errors


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_certificate(folder: Path, *addresses: str) -> None:
    """A certificate of the name, and of these addresses, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(NAME)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
