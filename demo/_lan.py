"""Serve a demo to a phone in the same network: https, and a code that the phone can scan.

Browsers give the microphone to pages on https alone (or on the machine itself), so a certificate is
made at the start. Nobody has signed it: the browser warns once, and its user goes on.
"""

import atexit
import datetime
import ipaddress
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 30  # that a certificate is valid: as long as a demo runs, and more


class Certificate(NamedTuple):
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


def find_address() -> str:
    """The address of this machine in its network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # it sends nothing, and asks which way it would go
        except OSError:
            raise SystemExit(
                "This machine has no network. Name its address: --lan --host ADDRESS"
            ) from None
        address: str = probe.getsockname()[0]
        return address


def make_certificate(address: str) -> Certificate:
    """A certificate for an address, in files that are removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="fastrtc-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fastrtc-core demo")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # the clock of a phone may be late
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_alternative(address)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / "certificate.pem", folder / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def announce(host: str, port: int) -> None:
    """Say where the demo is, in words and as a code to scan."""
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}/"
    print(f"\nOpen {url} on a phone in the same network, or scan this:\n", flush=True)
    try:
        import segno

        segno.make(url, micro=False).terminal(compact=True)
    except ImportError:
        print("(no code without segno: pip install segno)")
    except UnicodeEncodeError:
        print("(this terminal cannot show it)")
    print(
        "\nThe browser warns that it does not know the certificate, as it was made here just now:\n"
        "choose Advanced, then Proceed (Safari: Show Details, then visit this website).\n",
        flush=True,
    )


def without_proxy(host: str) -> None:
    """Reach this machine directly: Gradio asks itself whether it is up, and heeds HTTPS_PROXY."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), host]))


def _alternative(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)
