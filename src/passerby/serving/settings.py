"""What a server allows: where it listens, which names it answers to, and its limits."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from passerby.types import InputError


@dataclass(frozen=True)
class Limits:
    """What one request, one client and all together may ask for."""

    body: int = 10_000_000
    """Bytes of a request's body."""
    pixels: int = 25_000_000
    """Width x height of a picture."""
    open_body: int = 4096
    """Bytes of a body where no token is needed: to log in."""
    bodies: int = 256_000_000
    """Bytes of all bodies that are being received or worked on; one client has a quarter."""
    seconds: float = 30.0
    """Until a body must have arrived."""
    rate: float = 50.0
    """Requests a second of one client (a token's name, or an address without one); 0: any."""
    burst: int = 300
    """Requests that a client may make at once before the rate holds."""
    threads: int = 2
    """Requests of one process that are computed at once, beside searches."""
    waiting: int = 256
    """Requests that may wait for an answer; further ones are told to come back."""
    hits: int = 200
    """Most hits of a search, and entries of a page."""

    def __post_init__(self) -> None:
        whole = (self.body, self.open_body, self.pixels, self.bodies, self.burst, self.threads,
                 self.hits)  # fmt: skip
        if min(whole) < 1 or self.waiting < 0 or not self.seconds > 0 or not self.rate >= 0:
            raise InputError(f"limits must be greater than 0: given {self}")
        if self.body > self.share:
            raise InputError(
                "the limit of all bodies must be at least 4 times that of one: given "
                f"{self.bodies:,} and "
                f"{self.body:,} bytes"
            )

    def divided(self, processes: int) -> Limits:
        """Those of one of several processes: what they cannot count together is divided."""
        bodies = max(self.bodies // processes, 4 * self.body)
        return replace(self, waiting=-(-self.waiting // processes), bodies=bodies)

    @property
    def share(self) -> int:
        """Bytes of one client's bodies at once."""
        return self.bodies // 4


@dataclass(frozen=True)
class Address:
    """Where the server listens, and the names that browsers reach it by."""

    host: str = "127.0.0.1"
    """Address of an interface; 0.0.0.0 means all."""
    port: int = 8000
    """TCP port; 0: any free one."""
    names: tuple[str, ...] = ()
    """Names beside the address, with the port where it is not the server's own."""
    tls: bool = False
    """Whether the server itself speaks HTTPS."""
    proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies; what they say of scheme and client is believed."""

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65_536:
            raise InputError(f"a port must be a number from 0 to 65535: given {self.port}")
        for name in self.names:
            if not re.fullmatch(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?", name):
                raise InputError(
                    f"a name must look like reid.example.org or host:port: given {name!r}"
                )
        for proxy in self.proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise InputError(
                    f"a proxy must be an address or network like 10.0.0.0/8: given {proxy!r}"
                ) from None

    @property
    def local(self) -> bool:
        """Whether it listens to this machine alone; a proxy may still pass requests on."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def hosts(self) -> frozenset[str]:
        """What a request's Host header may be, in small letters."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        found = set() if own in ("0.0.0.0", "[::]") else self._with_port(own)
        if self.local:
            found |= self.own_hosts
        for name in self.names:
            # Behind a proxy the port is the proxy's: a bare name is that of the scheme's own port.
            found |= {name} if re.search(r":\d+$", name) else {name, f"{name}:{self.port}"}
        return frozenset(name.lower() for name in found)

    @property
    def own_hosts(self) -> frozenset[str]:
        """The Host headers of requests from this machine itself."""
        return frozenset(self._with_port("localhost", "127.0.0.1", "[::1]"))

    def _with_port(self, *names: str) -> set[str]:
        found = {f"{name}:{self.port}" for name in names}
        return found | set(names) if self.port == (443 if self.tls else 80) else found

    def check(self, tokens: int) -> None:
        """Refuses to listen where that is not safe.

        Args:
            tokens: how many there are.

        Raises:
            InputError: beyond this machine or behind a proxy without a token, or on all interfaces
                without a name.
        """
        if tokens == 0 and (not self.local or self.names or self.proxies):
            reached = self.host if not self.local else "this server by another name or a proxy"
            raise InputError(
                f"{reached} is open to other machines: create a token first (passerby serve "
                "token add GALLERY NAME), or listen on 127.0.0.1 without --name and --trust-proxy"
            )
        if self.host in ("0.0.0.0", "::") and not self.names:
            raise InputError(
                f"{self.host} means every interface: give the name that browsers use, "
                "e.g. --name reid.example.org"
            )
