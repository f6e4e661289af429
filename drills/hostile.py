"""Endpoints that tests/receiver.py does not play: an expired certificate, bytes after a 204."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from drills.aside import now
from drills.proxy import Proxies

HOST = "127.0.0.1"


@contextmanager
def expired(proxies: Proxies, folder: Path) -> Iterator[str]:
    """The URL of an endpoint with a certificate that ended yesterday."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    with _serving(proxies, context) as port:
        yield f"https://{HOST}:{port}/"


@contextmanager
def said_too_much(proxies: Proxies) -> Iterator[str]:
    """The URL of an endpoint that answers 204 and goes on to answer 500 on the same connection."""
    with _serving(proxies, None) as port:
        yield f"http://{HOST}:{port}/"


@contextmanager
def _serving(proxies: Proxies, context: ssl.SSLContext | None) -> Iterator[int]:
    async def start() -> asyncio.Server:
        return await asyncio.start_server(_answer_twice, HOST, 0, ssl=context)

    server = proxies.run(start())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        proxies.call(server.close)


async def _answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0] or 0)
            await reader.readexactly(size)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            writer.write(b"HTTP/1.1 500 Not Yours\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    ended = now() - timedelta(days=1)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ended - timedelta(days=30))
        .not_valid_after(ended)
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = folder / "expired.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
