"""Hostile pictures, names, bodies and headers: refused in one line, nothing lost, nothing read."""

import io
import os
import struct
import threading
import zlib

import pytest
from PIL import Image
from served import as_bytes, client, drawn, fill
from test_security import refused

from passerby.gallery.filters import Filter
from passerby.gallery.new_rows import NewEntries
from passerby.serving.pictures import inside
from passerby.types import InputError

PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    service = fill(folder)
    made, _, _ = client(service, folder, body=300_000, pixels=1_000_000, rate=0)
    with made:
        yield made, service, folder


def png(width, height, data=b""):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def in_format(kind, **options):
    out = io.BytesIO()
    drawn(0).save(out, kind, **options)
    return out.getvalue()


def many_scans(count):
    """A small progressive JPEG whose last scan is there again and again."""
    content = in_format("JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * count + content[-2:]


BOMB = png(60_000, 60_000, zlib.compress(bytes(1_000_000), 9))
TEXT_BOMB = as_bytes(drawn(0))[:33] + (
    lambda body: struct.pack(">I", len(body)) + b"zTXt" + body
    + struct.pack(">I", zlib.crc32(b"zTXt" + body))
)(b"a\0\0" + zlib.compress(bytes(80_000_000), 9)) + as_bytes(drawn(0))[33:]  # fmt: skip
FILES = {
    "nothing": (b"", 422),
    "noise": (os.urandom(5000), 415),
    "text": (b"hello", 415),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 415),
    "svg after xml": (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                      b"<svg>&x;</svg>", 415),
    "gif": (in_format("GIF"), 415),
    "tiff": (in_format("TIFF"), 415),
    "bmp": (in_format("BMP"), 415),
    "pdf": (in_format("PDF"), 415),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415),
    "bomb of 3.6 gigapixels": (BOMB, 413),
    "one pixel wide": (as_bytes(Image.new("1", (1, 25_000_000))), 413),
    "too narrow": (as_bytes(Image.new("1", (5, 1001))), 413),
    "too wide": (as_bytes(Image.new("1", (16_385, 60))), 413),
    "a thousand scans": (many_scans(1000), 413),
    "just too many pixels": (as_bytes(Image.new("1", (1001, 1000))), 413),
    "bomb of text": (TEXT_BOMB, 422),
    "cut off jpeg": (in_format("JPEG")[:300], 422),
    "cut off png": (as_bytes(drawn(0))[:200], 422),
    "cut off webp": (in_format("WEBP")[:60], 422),
    "head of png alone": (b"\x89PNG\r\n\x1a\n", 422),
    "no rows": (png(0, 0), 422),
    "bytes of zero": (bytes(1000), 415),
    "too great": (bytes(300_001), 413),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("path", ["/v1/search/picture", "/v1/entries?key=hostile"])
def test_hostile_files(api, name, path):
    made, service, _ = api
    content, status = FILES[name]
    answer = made.post(path, content=content, headers=PNG)
    assert answer.status_code in {status, 415 if status == 422 else status}
    refused(answer, answer.status_code)
    assert service.gallery.entries(Filter(keys=["hostile"])) == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_is_taken(api, kind):
    made, _, _ = api
    content = in_format(kind)
    for said in ("image/png", "application/octet-stream"):
        answer = made.post("/v1/search/picture", content=content, headers={"Content-Type": said})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"k": 0}, {"k": -1}, {"k": 201}, {"k": 1e9}, {"k": "x"}, {"k": "9" * 5000},
        {"camera": ""}, {"person": "é" * 257}, {"since": "nan"},
        {"since": "inf"}, {"until": "-inf"}, {"since": 1e300}, {"group_by": "everything"},
        {"unheard_of": 1}, {"known": "perhaps"}, {"query_camera": ""},
    ],
)  # fmt: skip
def test_conditions_that_break_a_rule(api, query):
    made, _, _ = api
    refused(made.post("/v1/search/picture", params=query, content=as_bytes(drawn(0)), headers=PNG),
            422)  # fmt: skip


@pytest.mark.parametrize(
    "key",
    [
        "../../etc/passwd", "/etc/passwd", "p0/0.png' OR '1'='1",
        "p0/0.png'; DROP TABLE entries; --", "%2e%2e/tokens.json", "..\\..\\x", "a" * 256,
        "\u202e\ufeff", "p0/0.png/../../x",
    ],
)  # fmt: skip
def test_keys_are_names_and_never_paths_or_conditions(api, key):
    made, service, _ = api
    count = service.gallery.statistics().entries
    for path in ("/v1/entries/picture", "/v1/search/entry"):
        refused(made.get(path, params={"key": key}), 404)
    assert made.delete("/v1/entries", params={"key": key}).json() == {"removed": 0}
    assert service.gallery.statistics().entries == count


@pytest.mark.parametrize("key", ["p0/0.png\0.png", "\x00"])
def test_keys_of_letters_that_none_has(api, key):
    made, service, _ = api
    count = service.gallery.statistics().entries
    for method, path in (("GET", "/v1/entries/picture"), ("GET", "/v1/search/entry"),
                         ("DELETE", "/v1/entries")):  # fmt: skip
        refused(made.request(method, path, params={"key": key}), 409)
    assert service.gallery.statistics().entries == count


@pytest.mark.parametrize("name", ["camera", "not_camera", "person"])
def test_a_reader_cannot_fill_the_audit_log_by_conditions(api, name):
    made, service, _ = api
    before = service.gallery.audit.lines()
    for many in ([str(count) for count in range(101)], ["x" * 256] * 17):
        given = {"key": "p0/0.png", name: many}
        refused(made.get("/v1/search/entry", params=given), 422)
        refused(made.get("/v1/entries", params={name: many}), 422)
    assert service.gallery.audit.lines() == before


@pytest.mark.parametrize(
    "path",
    [
        "/../tokens.json", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
        "/app.js/../tokens.json", "/page/index.html", "/app.py", "/v1/../etc/passwd",
        "/static/../../x", "/index.html", "/app.js%00", "/V1/health",
    ],
)  # fmt: skip
def test_paths_lead_nowhere(api, path):
    made, _, _ = api
    refused(made.get(path), 404)


def test_entries_show_no_file_outside_the_folder_of_pictures(api):
    made, service, folder = api
    secret = folder / "secret.png"
    drawn(1).save(secret)
    inner = folder / "pictures"
    (inner / "link.png").symlink_to(secret)
    (inner / "linked").symlink_to(folder)
    (inner / "words.txt").write_text("not a picture")
    os.mkfifo(inner / "pipe.png")
    names = [
        "../secret.png", str(secret), "link.png", "linked/secret.png", "p0/../../secret.png",
        "words.txt", "p0", "pipe.png", "/dev/zero", "", "x" * 2000,
    ]  # fmt: skip
    keys = [f"bad{i}" for i in range(len(names))]
    embeddings = service.model.embed([drawn(0)] * len(names))
    service.gallery.add(embeddings, NewEntries(keys=keys, file_names=names))
    for key in keys:
        refused(made.get("/v1/entries/picture", params={"key": key}), 404)
    for name in ("a\0b.png", "p0/0.png\0"):
        with pytest.raises(InputError, match="invalid characters"):
            service.gallery.add(embeddings[:1], NewEntries(keys=["no"], file_names=[name]))
        assert inside(name, inner) is None  # where an older gallery has it
    good = NewEntries(keys=["good"], file_names=["p0/../p0/0.png"])
    service.gallery.add(embeddings[:1], good)
    answer = made.get("/v1/entries/picture", params={"key": "good"})
    assert answer.headers["content-type"] == "image/jpeg"
    service.gallery.remove(Filter(keys=[*keys, "good"]))


def test_pictures_of_the_gallery_have_the_limits_of_those_that_are_sent(api):
    made, service, folder = api
    great = {
        "pixels.png": as_bytes(Image.new("1", (1001, 1000))),
        "side.png": as_bytes(Image.new("1", (1, 25_000_000))),
        "scans.jpg": many_scans(1000),
    }
    for name, content in great.items():
        (folder / "pictures" / name).write_bytes(content)
    new = NewEntries(keys=list(great), file_names=list(great))
    service.gallery.add(service.model.embed([drawn(0)] * len(great)), new)
    for name in great:
        answer = made.get("/v1/entries/picture", params={"key": name})
        refused(answer, 413)
        assert str(folder) not in answer.text
    service.gallery.remove(Filter(keys=list(great)))


def test_pictures_are_shown_without_what_else_their_file_says(api):
    made, service, folder = api
    exif = Image.Exif()
    exif[0x010E] = "at home, 52.5 N"
    drawn(0).save(folder / "pictures" / "told.jpg", exif=exif, comment=b"at home")
    told = NewEntries(keys=["told"], file_names=["told.jpg"])
    service.gallery.add(service.model.embed([drawn(0)]), told)
    content = made.get("/v1/entries/picture", params={"key": "told"}).content
    service.gallery.remove(Filter(keys=["told"]))
    assert b"at home" not in content
    with Image.open(io.BytesIO(content)) as shown:
        assert shown.size == (24, 48)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"), (b"[]", "application/json"), (b"null", "application/json"),
        (b'{"keys": []}', "application/json"), (b'{"keys": ["\\ud800"]}', "application/json"),
        (b'{"keys": [1]}', "application/json"), (b'{"keys": ["a"], "x": 1}', "application/json"),
        (b'{"keys": ["a"]}', "text/plain"), (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"), (b"keys=a", "application/x-www-form-urlencoded"),
        (b'{"keys": "' + b"a" * 200_000 + b'"}', "application/json"),
    ],
)  # fmt: skip
def test_hostile_json(api, body, kind):
    made, _, _ = api
    answer = made.post("/v1/persons/split", content=body, headers={"Content-Type": kind})
    refused(answer, answer.status_code)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "-1"}, {"Content-Length": "many"}, {"Content-Length": "9" * 30},
        {"Content-Length": "\u0663".encode()},
    ],
)  # fmt: skip
def test_hostile_lengths(api, headers):
    made, _, _ = api
    refused(made.post("/v1/search/picture", content=b"", headers={**PNG, **headers}), 400)


def test_a_body_that_says_nothing_of_its_length_is_limited_too(api):
    made, _, _ = api
    parts = (bytes(50_000) for _ in range(1000))
    refused(made.post("/v1/search/picture", content=parts, headers=PNG), 413)


def test_headers_that_are_there_twice(api):
    made, _, _ = api
    refused(made.get("/v1/health", headers=[("Origin", "a"), ("Origin", "b")]), 400)


def test_what_cannot_be_foreseen_is_one_line_too(api, monkeypatch, caplog):
    made, service, _ = api

    def broken(*_):
        raise ZeroDivisionError("a secret of the server")

    monkeypatch.setattr(service.model, "embed", broken, raising=False)
    answer = made.post("/v1/search/picture", content=as_bytes(drawn(0)), headers=PNG)
    refused(answer, 500)
    assert "secret" not in answer.text
    assert answer.json()["error"].split()[-1] in caplog.text


def test_a_full_disk_says_so(api, monkeypatch):
    made, service, _ = api

    def full(*_):
        raise OSError(28, "No space left on device", "/somewhere/secret")

    monkeypatch.setattr(type(service.gallery), "add", full)
    answer = made.post("/v1/entries?key=x", content=as_bytes(drawn(0)), headers=PNG)
    refused(answer, 507)
    assert "secret" not in answer.text


def test_errors_do_not_say_where_the_gallery_lies(api, monkeypatch):
    made, _, folder = api
    answer = made.post("/v1/persons/split", json={"keys": ["absent"]})
    refused(answer, 409)
    assert str(folder) not in answer.text


def test_too_much_at_once_is_told_to_come_back(tmp_path):
    service = fill(tmp_path)
    held, entered = threading.Event(), threading.Event()

    class Slow:
        fingerprint, descriptor = service.model.fingerprint, service.model.descriptor

        def embed(self, pictures):
            entered.set()
            held.wait(20)
            return service.model.embed(pictures)

    from passerby.serving.service import Service

    made, _, _ = client(Service(service.gallery, Slow()), tmp_path, threads=1, waiting=0)
    with made:
        sent = {"content": as_bytes(drawn(0)), "headers": PNG}
        first = []
        one = threading.Thread(target=lambda: first.append(made.post("/v1/search/picture", **sent)))
        one.start()
        assert entered.wait(20)
        refused(made.post("/v1/search/picture", **sent), 503)
        assert made.get("/v1/health").status_code == 200
        held.set()
        one.join(20)
    assert first[0].status_code == 200


@pytest.mark.parametrize("name", ["1 OR 1=1", "1;drop", "'", "\\", '"] or true', "-1", str(2**63)])
def test_names_that_look_like_code_name_nobody(api, name):
    made, _, _ = api
    for query in ({"camera": name}, {"person": name}):
        answer = made.post(
            "/v1/search/picture", params=query, content=as_bytes(drawn(0)), headers=PNG
        )
        assert (answer.status_code, answer.json()["hits"]) == (200, [])
