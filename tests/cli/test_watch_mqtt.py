"""Events to an MQTT broker: amqtt's, which shares no code with the client."""

import asyncio
import json
import socket
import threading
import time

import pytest
from amqtt.broker import Broker as Server
from amqtt.client import MQTTClient
from pwdlib import PasswordHash

from passerby.cli import watch
from passerby.cli.main import run
from passerby.cli.watch_mqtt import Broker, Mqtt, read_login
from passerby.types import InputError

EVENT = {"event": "tracklet", "camera": "gate", "key": "gate/20261121/080000.200-00001"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Running:
    """A broker in a thread, and somebody who listens to all topics."""

    def __init__(self, port, passwords=None):
        self.got, self.address = [], f"mqtt://127.0.0.1:{port}"
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}}
        if passwords is not None:
            plugins = {"amqtt.plugins.authentication.FileAuthPlugin":
                       {"password_file": str(passwords)}}  # fmt: skip
        self._config = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": plugins,
        }
        self._who = "" if passwords is None else "anna:secret word@"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._start())
        self._listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)

    def stop(self):
        self._listening.cancel()
        self._do(self._server.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self):
        self._server = Server(self._config)
        await self._server.start()
        self._client = MQTTClient(config={"auto_reconnect": False})
        await self._client.connect(self.address.replace("//", f"//{self._who}"))
        await self._client.subscribe([("#", 1)])

    async def _listen(self):
        while True:
            message = await self._client.deliver_message()
            self.got.append((message.topic, json.loads(message.data)))


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    assert what()


@pytest.fixture
def broker():
    made = []

    def make(*arguments):
        made.append(Running(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_events_arrive_under_their_camera(broker, capsys):
    server = broker(free_port())
    with watch._telling(watch.TellOptions(mqtt=f"{server.address}/site/a/")) as tell:
        for number in range(30):
            tell(EVENT | {"camera": f"cam-{number % 2}", "number": number})
    wait_for(lambda: len(server.got) == 30)
    assert sorted(one["number"] for _, one in server.got) == list(range(30))
    assert all(topic == f"site/a/{one['camera']}" for topic, one in server.got)
    out, err = capsys.readouterr()
    assert [json.loads(line)["number"] for line in out.splitlines()] == list(range(30))
    assert err == ""


def test_events_wait_for_a_broker_that_comes_later_and_is_started_again(broker, capsys):
    port = free_port()
    client = Mqtt(f"mqtt://127.0.0.1:{port}", answer=0.1)
    assert f"MQTT 127.0.0.1:{port}: does not answer; trying again" in capsys.readouterr().err
    client.tell(EVENT | {"number": 0})
    first = Running(port)
    wait_for(lambda: len(first.got) == 1)
    first.stop()
    client.tell(EVENT | {"number": 1})
    second = broker(port)
    wait_for(lambda: second.got)
    assert {one["number"] for _, one in second.got} == {1}
    client.close()
    assert (client.told, client.sent, client.lost) == (2, 2, 0)


def test_a_wrong_password_is_one_line_without_it(broker, tmp_path):
    hashed = PasswordHash.recommended().hash("secret word")
    (tmp_path / "passwords").write_text(f"anna:{hashed}\n")
    server = broker(free_port(), tmp_path / "passwords")
    with pytest.raises(InputError, match="refuses this name and password") as error:
        Mqtt(server.address, ("anna", "wrong word"))
    assert "wrong word" not in str(error.value)
    (tmp_path / "login").write_text("anna:secret word\n")
    client = Mqtt(server.address, read_login(tmp_path / "login"))
    client.tell(EVENT)
    client.close()
    assert client.lost == 0


def test_a_broker_that_hangs_holds_nobody_up(monkeypatch, capsys):
    monkeypatch.setattr("passerby.cli.watch_mqtt.WAITING", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        client = Mqtt(f"mqtt://127.0.0.1:{silent.getsockname()[1]}", answer=0.1)
        for _ in range(10):
            client.tell(EVENT)
        client.close(timeout=0.2)
        assert time.monotonic() - begin < 8
    assert client.lost == 10
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1/", "a broker must look like mqtt://host"),
        ("mqtt:///topic", "a broker must look like mqtt://host"),
        ("mqtt://h:port/", "a broker must look like mqtt://host"),
        ("mqtt://h/site/#", "a broker must look like mqtt://host"),
        ("mqtt://anna:secret@h", "give it with --mqtt-login"),
    ],
)
def test_addresses_that_are_none(address, message):
    with pytest.raises(InputError, match=message):
        Broker.of(address)
    assert Broker.of("mqtt://h") == Broker("h", 1883, False, "passerby")


def test_refusals_of_the_command(tmp_path, capsys):
    (tmp_path / "login").write_text("anna\n")
    line = ["watch", "x.mp4", "--camera", "gate", "--gallery", str(tmp_path / "g")]
    for more, message in (
        (["--mqtt-login", "f"], "--mqtt-login needs --mqtt"),
        (["--mqtt", "mqtt://h", "--mqtt-login", str(tmp_path / "none")], "no such file"),
        (
            ["--mqtt", "mqtt://h", "--mqtt-login", str(tmp_path / "login")],
            "must contain name:password",
        ),
    ):
        assert run([*line, *more]) == 2, more
        assert message in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["login"]
