"""Fetches uv from the package index into the file that is named, by the standard library alone.

For a machine that has Python but neither uv nor a pip that may install it. The index is the one
that uv or pip is configured with; the wheel's digest is checked against what the index says.
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import io
import json
import os
import platform
import re
import ssl
import sys
import urllib.parse
import urllib.request
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

PYPI = "https://pypi.org/simple"
VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
PIP_FILES = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf")
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
TIMEOUT = 60.0


class Wheel(NamedTuple):
    """A file of the index; `version` sorts."""

    version: tuple[int, ...]
    name: str
    url: str
    sha256: str


class Links(HTMLParser):
    """The links of an index page, for an index that does not speak JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and "data-yanked" not in values and (href := values.get("href")):
            self.found.append(href)


def index() -> str:
    for name in VARIABLES:
        if url := os.environ.get(name, "").strip():
            return url.rstrip("/")
    for file in (os.environ.get("PIP_CONFIG_FILE", ""), *PIP_FILES):
        parser = configparser.ConfigParser(interpolation=None)
        if file and parser.read(Path(file).expanduser()):
            for section in ("install", "global"):
                if url := parser.get(section, "index-url", fallback="").strip():
                    return url.rstrip("/")
    return PYPI


def fetch(url: str, *, accept: str = "*/*") -> tuple[bytes, str]:
    """The bytes and their content type. A name and password in the URL are sent as such."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"the index must be reached over https, not {parts.scheme}")
    headers = {"Accept": accept}
    if parts.username:
        user = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    request = urllib.request.Request(bare, headers=headers)  # noqa: S310 - the scheme is checked
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:  # noqa: S310
        return answer.read(), answer.headers.get_content_type()


def listed(page: str, body: bytes, kind: str) -> list[tuple[str, str, str]]:
    """Name, URL and SHA-256 of each file on the index page of a project."""
    if kind.endswith("json"):
        files = [file for file in json.loads(body)["files"] if not file.get("yanked")]
        return [
            (file["filename"], urllib.parse.urljoin(page, file["url"]), file["hashes"]["sha256"])
            for file in files
            if "sha256" in file["hashes"]
        ]
    links = Links()
    links.feed(body.decode())
    found = []
    for href in links.found:
        url, _, digest = urllib.parse.urljoin(page, href).partition("#sha256=")
        found.append((urllib.parse.unquote(url.rpartition("/")[2]), url, digest))
    return found


def fitting(files: list[tuple[str, str, str]]) -> Wheel:
    """The newest released wheel for this machine. Raises ValueError if there is none."""
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    machine = re.escape(platform.machine())
    form = re.compile(rf"uv-([0-9.]+)-py3-none-.*{libc}[0-9_]*_{machine}\.?.*\.whl")
    wheels = [
        Wheel(tuple(map(int, match[1].split("."))), name, url, digest)
        for name, url, digest in files
        if digest and (match := form.fullmatch(name))
    ]
    if not wheels:
        raise ValueError(f"the index has no uv for {libc} on {platform.machine()}")
    return max(wheels)


def install(target: Path) -> None:
    page = f"{index()}/uv/"
    wheel = fitting(listed(page, *fetch(page, accept=ACCEPT)))
    data, _ = fetch(wheel.url)
    if hashlib.sha256(data).hexdigest() != wheel.sha256:
        raise ValueError(f"{wheel.name} is not what the index says it is")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        program = archive.read(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_bytes(program)
    part.chmod(0o755)
    part.replace(target)


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]))
    except (OSError, ValueError, StopIteration) as error:
        sys.exit(f"uv cannot be fetched: {error}. Install uv, or set PIP_INDEX_URL.")
