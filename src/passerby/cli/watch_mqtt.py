"""Events of `passerby watch` to an MQTT broker."""

from __future__ import annotations

import json
import threading
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passerby.cli.watch_events import FAREWELL, WAITING
from passerby.terminal import say, terminal
from passerby.types import InputError

TOPIC = "passerby"
"""Above the cameras' names, where the address names none."""
ANSWER = 5.0
"""Seconds that a broker is waited for at the start."""
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_REFUSALS = ("Bad user name or password", "Not authorized")


@dataclass(frozen=True)
class Broker:
    """Where events go."""

    host: str
    """Its name or address."""
    port: int
    """1883; with TLS 8883."""
    safe: bool
    """Whether the connection is by TLS."""
    topic: str
    """Events of a camera go to `topic/camera`."""

    @classmethod
    def of(cls, address: str) -> Broker:
        """The broker that an address names.

        >>> Broker.of("mqtts://broker.example/site/tracklets")
        Broker(host='broker.example', port=8883, safe=True, topic='site/tracklets')

        Raises:
            InputError: another address, one with a password, a topic with wildcards.
        """
        try:
            parts = urllib.parse.urlsplit(address)
            port = parts.port
        except ValueError:
            parts, port = urllib.parse.urlsplit(""), None
        if "@" in parts.netloc:
            raise InputError(
                "put the broker's name and password into a file and give it with --mqtt-login"
            )
        topic = parts.path.strip("/") or TOPIC
        if parts.scheme not in _PORTS or not parts.hostname or set("+#\0") & set(address):
            raise InputError(
                "a broker must look like mqtt://host[:port][/topic], or mqtts://...: given "
                f"{address!r}"
            )
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts", topic)


def read_login(file: Path) -> tuple[str, str]:
    """Name and password out of a file that holds `name:password`.

    Raises:
        InputError: no such file, or something else in it.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    name, colon, password = file.read_text(encoding="utf-8").strip().partition(":")
    if not colon or not name:
        raise InputError(f"{file}: must contain name:password, in one line")
    return name, password


class Mqtt:
    """Publishes events with QoS 1 from a thread of the library's own: a broker holds nobody up.

    A broker that is not there is tried again, after 1, 2, 4 ... 60 s; meanwhile events wait. Each
    arrives at least once.

    Args:
        address: mqtt://host[:port][/topic], or mqtts.
        login: name and password; None: none.
        answer: seconds that the broker is waited for.

    Raises:
        InputError: another address; paho-mqtt is missing; the broker refuses name and password.
    """

    def __init__(
        self, address: str, login: tuple[str, str] | None = None, *, answer: float = ANSWER
    ) -> None:
        self.broker = Broker.of(address)
        self.sent = 0
        self.told = 0
        self._arrived = threading.Condition()
        self._refusal = ""
        self._answered = threading.Event()
        self._client = self._made(login)
        self._client.connect_async(self.broker.host, self.broker.port)
        self._client.loop_start()
        connected = self._answered.wait(answer) and not self._refusal
        if self._refusal in _REFUSALS:
            self.close(0.0)
            raise InputError(f"{self._name}: refuses this name and password")
        if not connected:
            reason = self._refusal or "does not answer"
            say(terminal(errors=True), f"{self._name}: {reason}; trying again, events wait")

    @property
    def lost(self) -> int:
        """Events that have not arrived; after `close` they never will."""
        return self.told - self.sent

    def tell(self, event: dict[str, Any]) -> None:
        """Takes an event over; returns at once."""
        self.told += 1
        self._client.publish(f"{self.broker.topic}/{event['camera']}", json.dumps(event), qos=1)

    def close(self, timeout: float = FAREWELL) -> None:
        """Sends what still waits, as far as there is time; the rest is lost, counted."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.sent >= self.told, timeout)
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def _name(self) -> str:
        return f"MQTT {self.broker.host}:{self.broker.port}"

    def _made(self, login: tuple[str, str] | None) -> Any:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise InputError(f"--mqtt needs pip install 'passerby[mqtt]' ({error})") from None
        client = Client(CallbackAPIVersion.VERSION2)
        client.max_queued_messages_set(WAITING)
        client.reconnect_delay_set(1, 60)
        if login is not None:
            client.username_pw_set(*login)
        if self.broker.safe:
            client.tls_set()
        client.on_connect, client.on_publish = self._connected, self._published
        return client

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, more: Any) -> None:
        self._refusal = str(reason) if reason.is_failure else ""
        self._answered.set()

    def _published(self, client: Any, data: Any, number: int, reason: Any, more: Any) -> None:
        with self._arrived:
            self.sent += 1
            self._arrived.notify_all()
