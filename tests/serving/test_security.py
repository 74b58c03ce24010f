"""Each rule of who may do what, and from where."""

import json
import logging
import stat

import pytest
from served import BASE, as_bytes, bearer, client, drawn, fill

from passerby.serving.guard import HEADERS
from passerby.serving.limits import Rates
from passerby.serving.page_files import page_files
from passerby.serving.sessions import COOKIE, Sessions
from passerby.serving.settings import Address
from passerby.serving.tokens import TokenFile, token_file
from passerby.types import InputError

PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("served"))


@pytest.fixture
def guarded(service, tmp_path):
    made, texts, kept = client(service, tmp_path, tokens=("reader", "writerw"))
    return made, texts, kept


def refused(answer, status):
    """One line of JSON, and nothing of how the server is made."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]
    assert "Traceback" not in answer.text
    assert answer.headers["content-type"].startswith("application/json")


READS = [("GET", "/v1/statistics"), ("GET", "/v1/metrics"), ("GET", "/v1/entries"),
         ("GET", "/v1/persons"), ("GET", "/v1/suggestions"),
         ("GET", "/v1/search/entry?key=p0/0.png"), ("POST", "/v1/search/picture"),
         ("GET", "/v1/entries/picture?key=p0/0.png")]  # fmt: skip
WRITES = [
    ("POST", "/v1/entries?key=x", None), ("DELETE", "/v1/entries?key=p0/0.png", None),
    ("DELETE", "/v1/persons?person=0", None),
    ("POST", "/v1/persons/merge", {"persons": ["0"], "into": "1"}),
    ("POST", "/v1/persons/split", {"keys": ["p0/0.png"]}),
    ("POST", "/v1/persons/rename", {"old": "0", "new": "Anna"}),
    ("POST", "/v1/persons/undo", {}),
    ("POST", "/v1/suggestions/decide",
     {"one": "p0/0.png", "other": "p1/0.png", "decision": "no"}),
    ("POST", "/v1/persons/assign", {"keys": ["p0/0.png"], "person": "3"}),
]  # fmt: skip


def send(made, method, path, body=None, headers=None):
    if body is None and method == "POST":
        return made.request(
            method, path, content=as_bytes(drawn(0)), headers={**PNG, **(headers or {})}
        )
    return made.request(method, path, json=body, headers=headers)


@pytest.mark.parametrize(("method", "path"), READS)
def test_reading_needs_a_token(guarded, method, path):
    made, texts, _ = guarded
    refused(send(made, method, path), 401)
    refused(send(made, method, path, headers=bearer("passerby_wrong")), 401)
    refused(send(made, method, path, headers={"Authorization": f"Basic {texts['reader']}"}), 401)
    assert send(made, method, path, headers=bearer(texts["reader"])).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_changing_needs_a_token_that_may(guarded, service, method, path, body):
    made, texts, _ = guarded
    before = service.gallery.entries()
    refused(send(made, method, path, body), 401)
    refused(send(made, method, path, body, bearer(texts["reader"])), 403)
    assert service.gallery.entries() == before


def test_a_token_in_the_address_counts_for_nothing(guarded):
    made, texts, _ = guarded
    for name in ("token", "access_token", "key"):
        refused(made.get("/v1/statistics", params={name: texts["writerw"]}), 401)


def test_what_is_open(guarded):
    made, _, _ = guarded
    for path in ("/v1/health", "/v1/session", "/v1/openapi.json", *page_files()):
        assert made.get(path).status_code == 200
    refused(made.get("/v1/nothing"), 401)


def test_a_page_logs_in_once(guarded):
    made, texts, kept = guarded
    refused(made.post("/v1/session", json={"token": "wrong"}), 401)
    answer = made.post("/v1/session", json={"token": texts["reader"]})
    assert answer.json() == {"login": False, "name": "reader", "access": "read"}
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    assert texts["reader"] not in cookie
    assert made.get("/v1/statistics").status_code == 200
    refused(made.delete("/v1/persons?person=0"), 403)
    kept.remove("reader")
    refused(made.get("/v1/statistics"), 401)


def test_logging_out_ends_the_session_itself(guarded):
    made, texts, _ = guarded
    made.post("/v1/session", json={"token": texts["reader"]})
    cookie = made.cookies[COOKIE]
    made.delete("/v1/session")
    refused(made.get("/v1/statistics", headers={"Cookie": f"{COOKIE}={cookie}"}), 401)


def test_the_cookie_goes_over_https_alone_where_the_server_speaks_it(service, tmp_path):
    made, texts, _ = client(service, tmp_path, tokens=("a",), address=Address(tls=True))
    made.base_url = BASE.replace("http", "https")
    answer = made.post("/v1/session", json={"token": texts["a"]})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(("trusted", "secure"), [((), False), (("10.0.0.0/8",), True)])
def test_the_cookie_behind_a_proxy_that_speaks_https(service, tmp_path, trusted, secure):
    address = Address(names=("reid.example.org",), proxies=trusted)
    made, texts, _ = client(service, tmp_path, tokens=("a",), address=address, peer="10.1.2.3")
    passed_on = {"Host": "reid.example.org", "X-Forwarded-Proto": "https"}
    answer = made.post("/v1/session", json={"token": texts["a"]}, headers=passed_on)
    assert ("Secure" in answer.headers["set-cookie"]) == secure


def test_clients_behind_a_trusted_proxy_have_a_rate_each(service, tmp_path):
    for trusted, last in ((("10.1.2.3",), 401), ((), 429)):
        address = Address(proxies=trusted)
        made, _, kept = client(
            service, tmp_path, tokens=("a",), address=address, peer="10.1.2.3", rate=0.001, burst=1
        )
        kept.remove("a")
        told = [{"X-Forwarded-For": f"192.0.2.{count}"} for count in (1, 2)]
        assert [made.get("/v1/statistics", headers=each).status_code for each in told] == [
            401,
            last,
        ]


def test_sessions_end():
    class Tokens:
        there = True

    now = [0.0]
    sessions = Sessions(Tokens(), clock=lambda: now[0])
    from passerby.serving.tokens import Token

    token = Token("a", "read", 0.0, "")
    Tokens.all = lambda self: {"a": token}
    text = sessions.start(token)
    now[0] = 12 * 3600 - 1
    assert sessions.find(text) == token
    now[0] += 1
    assert sessions.find(text) is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:9", "127.0.0.1.evil.example:8000", ""])
def test_another_host_is_refused(guarded, host):
    made, texts, _ = guarded
    refused(made.get("/v1/health", headers={"Host": host, **bearer(texts["reader"])}), 421)


def test_names_that_were_given_are_hosts(service, tmp_path):
    address = Address("0.0.0.0", 8000, ("reid.example.org", "other:99"))
    made, texts, _ = client(service, tmp_path, tokens=("a",), address=address)
    for host in ("reid.example.org", "REID.example.org:8000", "other:99"):
        assert made.get("/v1/health", headers={"Host": host}).status_code == 200
    for host in ("0.0.0.0:8000", "other", "reid.example.org:99"):
        refused(made.get("/v1/health", headers={"Host": host}), 421)


def test_health_is_answered_to_this_machine_and_nothing_else(service, tmp_path):
    address = Address("0.0.0.0", 8000, ("192.0.2.1",))
    made, texts, _ = client(service, tmp_path, tokens=("a",), address=address)
    for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
        given = {"Host": host, **bearer(texts["a"])}
        assert made.get("/v1/health", headers=given).json() == {"status": "ok"}
        refused(made.get("/v1/statistics", headers=given), 421)
        refused(made.get("/", headers=given), 421)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/statistics", "/v1/entries/picture?key=p0/0.png"])
def test_pages_of_other_sites_are_refused(service, tmp_path, headers, path):
    made, _, _ = client(service, tmp_path)
    refused(made.get(path, headers=headers), 403)
    refused(made.post("/v1/search/picture", content=b"x", headers=headers), 403)
    assert "access-control-allow-origin" not in made.get(path, headers=headers).headers


def test_the_own_page_is_not(service, tmp_path):
    made, _, _ = client(service, tmp_path)
    own = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    assert made.get("/v1/statistics", headers=own).status_code == 200
    assert made.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
    preflight = made.options("/v1/statistics", headers={"Access-Control-Request-Method": "GET"})
    refused(preflight, 405)


def test_every_answer_has_the_headers(guarded):
    made, texts, _ = guarded
    for path in ("/", "/app.js", "/v1/health", "/v1/statistics", "/v1/absent"):
        for headers in ({}, bearer(texts["reader"]), {"Host": "x"}):
            answer = made.get(path, headers=headers)
            for name, value in HEADERS.items():
                assert answer.headers.get_list(name) == [value]
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_asks_nobody_else():
    for name, (content, _) in page_files().items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, name
        assert "https://" not in text, name
        assert "innerHTML" not in text, name
        assert "style=" not in text, name


def test_a_client_that_asks_too_often_is_told_to_wait(service, tmp_path):
    made, _, _ = client(service, tmp_path, rate=0.001, burst=3)
    answers = [made.get("/v1/health") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    refused(answers[-1], 429)
    assert int(answers[-1].headers["retry-after"]) > 0


def test_guessing_tokens_is_limited_and_hinders_nobody_else(service, tmp_path):
    made, texts, _ = client(service, tmp_path, tokens=("a",), rate=0.001, burst=3)
    found = [made.get("/v1/statistics", headers=bearer("no")).status_code for _ in range(5)]
    assert found == [401, 401, 401, 429, 429]
    assert made.get("/v1/statistics", headers=bearer(texts["a"])).status_code == 200


def test_buckets_fill_at_the_rate():
    now = [0.0]
    rates = Rates(2.0, 4, clock=lambda: now[0])
    assert [rates.take("a") for _ in range(4)] == [0] * 4
    assert rates.take("a") == pytest.approx(0.5)
    assert rates.take("b") == 0
    now[0] = 1.0
    assert [rates.take("a") > 0 for _ in range(3)] == [False, False, True]


def test_the_log_says_who_and_what_and_nothing_secret(guarded, caplog):
    made, texts, _ = guarded
    with caplog.at_level(logging.INFO, "passerby.serving"):
        made.get("/v1/search/entry", params={"key": "p0/0.png"}, headers=bearer(texts["reader"]))
        made.post("/v1/session", json={"token": texts["reader"]})
        made.get("/v1/statistics")
        made.get("/v1/statistics", headers=bearer("passerby_guessed"))
        made.get("/v1/x%0d%0aforged line", headers=bearer(texts["reader"]))
    lines = caplog.messages
    assert "reader GET '/v1/search/entry' 200" in lines[0]
    text = "\n".join(lines)
    for secret in (texts["reader"], "p0/0.png", "passerby_guessed", made.cookies[COOKIE]):
        assert secret not in text
    assert text.count("\n") == 4


def test_the_audit_log_names_the_token(guarded, service):
    made, texts, _ = guarded
    made.get("/v1/search/entry", params={"key": "p0/0.png"}, headers=bearer(texts["reader"]))
    assert service.gallery.audit.lines()[-1]["who"] == "reader"


def test_tokens_are_kept_as_hashes_alone(tmp_path):
    kept = TokenFile(tmp_path / "tokens.json")
    text = kept.add("a", "read")
    assert len(text) > 40
    assert text not in kept.file.read_text()
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600
    assert kept.find(text).name == "a"
    assert kept.find(text[:-1]) is None
    assert kept.find(kept.all()["a"].hash) is None
    other = TokenFile(kept.file)
    other.remove("a")
    assert kept.find(text) is None


@pytest.mark.parametrize("name", ["", "a b", "../x", "é", "-a", "x" * 65, "a\n"])
def test_bad_names_of_tokens(tmp_path, name):
    with pytest.raises(InputError, match="a token's name"):
        TokenFile(tmp_path / "t.json").add(name, "read")


def test_tokens_once_and_known(tmp_path):
    kept = TokenFile(tmp_path / "t.json")
    kept.add("a", "read")
    with pytest.raises(InputError, match="already"):
        kept.add("a", "write")
    with pytest.raises(InputError, match="no token 'b'"):
        kept.remove("b")
    kept.file.write_text(json.dumps({"tokens": {"a": 1}}))
    with pytest.raises(InputError, match="not a file of tokens"):
        TokenFile(kept.file).all()


def test_a_damaged_file_of_tokens_lets_nobody_in(guarded):
    made, texts, kept = guarded
    kept.file.write_text("{")
    for _ in range(2):
        refused(made.get("/v1/statistics", headers=bearer(texts["reader"])), 500)
    refused(made.get("/v1/statistics"), 401)


def test_removing_the_last_token_of_a_running_server_opens_nothing(guarded):
    made, texts, kept = guarded
    for name in list(kept.all()):
        kept.remove(name)
    refused(made.get("/v1/statistics"), 401)
    refused(made.get("/v1/statistics", headers=bearer(texts["writerw"])), 401)


def test_where_tokens_lie(tmp_path):
    found = token_file(str(tmp_path / "people.gallery"), None)
    assert found == tmp_path / "people.gallery.tokens.json"
    with pytest.raises(InputError, match="--tokens"):
        token_file("http://host:19530", None)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "reid.example.org"])
def test_others_than_this_machine_need_a_token(host):
    with pytest.raises(InputError, match="create a token first"):
        Address(host, names=("a",)).check(0)
    Address(host, names=("a",)).check(1)


@pytest.mark.parametrize(
    "address", [Address(names=("reid.example.org",)), Address(proxies=("127.0.0.1",))]
)
def test_names_and_proxies_need_a_token(service, tmp_path, address):
    with pytest.raises(InputError, match="create a token first"):
        address.check(0)
    with pytest.raises(InputError, match="create a token first"):
        client(service, tmp_path, address=address)
    address.check(1)


@pytest.mark.parametrize(
    "header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
               "X-Real-IP"]
)  # fmt: skip
def test_without_tokens_nothing_that_a_proxy_passes_on_is_answered(service, tmp_path, header):
    made, _, _ = client(service, tmp_path)
    assert made.get("/v1/statistics").status_code == 200
    passed_on = {header: "for=192.0.2.9"}
    refused(made.get("/v1/statistics", headers=passed_on), 401)
    refused(made.delete("/v1/persons/0", headers=passed_on), 401)
    assert made.get("/v1/health", headers=passed_on).status_code == 200


def test_a_proxy_is_an_address():
    for proxy in ("*", "proxy.example.org", "10.0.0.1/8", ""):
        with pytest.raises(InputError, match="a proxy must be"):
            Address(proxies=(proxy,))


def test_a_file_of_tokens_without_any_lets_nobody_in(service, tmp_path):
    kept = TokenFile(tmp_path / "tokens.json")
    kept.add("a", "write")
    kept.remove("a")
    made, _, _ = client(service, tmp_path)
    refused(made.get("/v1/statistics"), 401)
    refused(made.delete("/v1/persons/0"), 401)
    assert made.get("/v1/session").json()["login"]


def test_a_file_of_tokens_that_appears_closes_a_running_server(service, tmp_path):
    made, _, _ = client(service, tmp_path)
    assert made.get("/v1/statistics").status_code == 200
    kept = TokenFile(tmp_path / "tokens.json")
    kept.add("a", "write")
    kept.remove("a")
    refused(made.get("/v1/statistics"), 401)


def test_removing_the_file_of_tokens_opens_nothing(guarded):
    made, texts, kept = guarded
    kept.file.unlink()
    refused(made.get("/v1/statistics"), 401)
    refused(made.get("/v1/statistics", headers=bearer(texts["writerw"])), 401)


def test_a_file_of_tokens_that_was_there_at_the_start_counts(service, tmp_path):
    kept = TokenFile(tmp_path / "tokens.json")
    kept.add("a", "write")
    kept.remove("a")
    made, _, _ = client(service, tmp_path)
    kept.file.unlink()  # before anybody asked anything
    refused(made.get("/v1/statistics"), 401)


@pytest.mark.parametrize("content", ["", "[" * 100_000, '{"tokens": {"a": {"access": "write"}}}'])
def test_a_file_of_tokens_that_says_nothing_is_refused(service, tmp_path, content):
    (tmp_path / "tokens.json").write_text(content)
    with pytest.raises(InputError, match="not a file of tokens"):
        client(service, tmp_path)


def test_a_dangling_link_to_a_file_of_tokens_lets_nobody_in(service, tmp_path):
    (tmp_path / "tokens.json").symlink_to(tmp_path / "absent.json")
    made, _, _ = client(service, tmp_path)
    refused(made.get("/v1/statistics"), 401)


def test_tokens_that_others_may_write_are_refused(tmp_path):
    kept = TokenFile(tmp_path / "t.json")
    kept.add("a", "read")
    kept.file.chmod(0o620)
    with pytest.raises(InputError, match="chmod 600"):
        TokenFile(kept.file).all()


def test_tokens_expire_and_so_do_their_sessions(service, tmp_path, monkeypatch):
    kept = TokenFile(tmp_path / "tokens.json")
    short, long = kept.add("short", "read", 3600), kept.add("long", "read")
    made, _, _ = client(service, tmp_path)
    assert made.get("/v1/statistics", headers=bearer(short)).status_code == 200
    made.post("/v1/session", json={"token": short})
    assert made.get("/v1/statistics").status_code == 200
    created = kept.all()["short"].created
    for seconds, status in ((3599, 200), (3600, 401)):
        monkeypatch.setattr("passerby.serving.tokens.time.time", lambda: created + seconds)  # noqa: B023
        assert made.get("/v1/statistics").status_code == status
        assert made.get("/v1/statistics", headers=bearer(short)).status_code == status
    assert "expired" in made.post("/v1/session", json={"token": short}).json()["error"]
    assert made.get("/v1/statistics", headers=bearer(long)).status_code == 200


def test_tokens_of_before_never_expire(tmp_path):
    kept = TokenFile(tmp_path / "t.json")
    text = kept.add("a", "read", 60)
    plain = json.loads(kept.file.read_text())
    del plain["tokens"]["a"]["expires"]
    kept.file.write_text(json.dumps(plain))
    assert not kept.find(text).expired()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e12])
def test_how_long_a_token_holds(tmp_path, seconds):
    with pytest.raises(InputError, match="can last up to 100 years"):
        TokenFile(tmp_path / "t.json").add("a", "read", seconds)


def test_all_interfaces_need_a_name():
    with pytest.raises(InputError, match="--name"):
        Address("0.0.0.0").check(1)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        Address(host).check(0)


def test_the_application_itself_refuses_an_open_address(service, tmp_path):
    with pytest.raises(InputError, match="create a token first"):
        client(service, tmp_path, address=Address("0.0.0.0", names=("a",)))
