"""`passerby serve GALLERY --model RUN`: HTTP API and web page; `passerby serve token ...`."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from passerby.cli.cue_options import NetworkOptions, with_networks
from passerby.cli.gallery_options import ModelOptions, Place, age_of, load_model
from passerby.cli.options import flat, named, parse_options
from passerby.terminal import printable_lines, show
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder
    from passerby.gallery.gallery import Gallery
    from passerby.serving.service import Service
    from passerby.serving.tokens import Token

TOKEN_USAGE = """usage: passerby serve token add|list|remove GALLERY ...

  add GALLERY NAME [--write] [--expires 90d]
                               make a token; it is shown once and kept as a hash
  list GALLERY                 names, what they may do, since when and until when
  remove GALLERY NAME          make it worthless, and the sessions that it opened

`--tokens FILE`: where they are kept, instead of beside the gallery's folder."""

LOOKED_AT = 100
"""Entries whose pictures are looked for before the page is served."""


@dataclass(frozen=True)
class ServeOptions:
    """Where to listen, who may, and how much."""

    pictures: Path | None = None
    """Folder that the entries' file names start from; without it the page shows no pictures."""
    travel: Path | None = None
    """Shortest travel times between cameras, for suggestions, as `gallery identify` takes them."""
    host: str = "127.0.0.1"
    """Address to listen on. Any other than 127.0.0.1 requires a token."""
    port: int = 8000
    """TCP port; 0: any free port."""
    name: tuple[str, ...] = ()
    """Further host names of this server (or its proxy), e.g. reid.example.org. Requires a token."""
    trust_proxy: tuple[str, ...] = ()
    """Address or network of a proxy whose `X-Forwarded-Proto` and `X-Forwarded-For` to trust, e.g.
    127.0.0.1. Requires a token."""
    tokens: Path | None = None
    """File of the tokens. If not given, beside the gallery's folder."""
    tls_certificate: Path | None = None
    """PEM file of the certificate, for HTTPS."""
    tls_key: Path | None = None
    """PEM file of its private key."""
    resident: bool = True
    """Keep the embeddings of a gallery in a folder in memory."""
    workers: int = 1
    """Number of processes that answer, each with the model and the gallery in its memory."""
    rate: float = 50.0
    """Requests per second allowed for each client; 0: no limit."""
    max_body_mb: float = 10.0
    """Largest request body, in MB."""
    max_pixels: int = 25_000_000
    """Largest picture, width x height."""
    open: tyro.conf.FlagCreatePairsOff[bool] = False
    """Open the page in a browser."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Do not log each request."""


@dataclass(frozen=True)
class _TokenPlace:
    """Whose tokens."""

    gallery: Annotated[tyro.conf.Positional[str], named("GALLERY")]
    """The gallery: a folder, or http://host:port[/name] of a Milvus server."""


@dataclass(frozen=True)
class _TokenFile:
    """Where they are kept."""

    tokens: Path | None = None
    """File of the tokens. If not given, beside the gallery's folder."""


@dataclass(frozen=True)
class _TokenName:
    """Which token."""

    name: Annotated[tyro.conf.Positional[str], named("NAME")]
    """Name of the token, as logs show it."""


@dataclass(frozen=True)
class _TokenAccess:
    """What it may do."""

    write: tyro.conf.FlagCreatePairsOff[bool] = False
    """Allow adding, correcting and removing; otherwise only searching."""
    expires: str = "90d"
    """Lifetime of the token, e.g. 12h, 30d or 52w; `never`: until it is removed."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if arguments and arguments[0] == "token":
        _token(arguments[1:])
        return
    fields = [
        (kind.__name__, flat(kind)) for kind in (Place, ModelOptions, NetworkOptions, ServeOptions)
    ]
    command: Any = parse_options(
        dataclasses.make_dataclass("Serve", fields, frozen=True), arguments, "passerby serve",
        description="Search a gallery over HTTP and on a web page.",
    )  # fmt: skip
    load = partial(_model, command.ModelOptions, command.NetworkOptions)
    serve_gallery(command.Place, load, command.ServeOptions, _say)


def _model(options: ModelOptions, networks: NetworkOptions) -> Embedder:
    return with_networks(load_model(options), networks)


def serve_gallery(
    place: Place, load: Callable[[], Embedder], options: ServeOptions, say: Callable[[str], None]
) -> None:
    """Serves a gallery until it is told to stop.

    Args:
        place: the gallery; one that does not exist is made by the first addition.
        load: gives the model whose embeddings it holds; pickled where there are several processes.
        options: see there.
        say: told where the page is.

    Raises:
        InputError: what is missing to serve, or does not fit.
    """
    serving = _serving()
    if (options.tls_certificate is None) != (options.tls_key is None):
        raise InputError("--tls-certificate and --tls-key must be given together")
    if options.pictures is not None and not options.pictures.is_dir():
        raise InputError(f"{options.pictures}: no such folder of pictures")
    if options.workers < 1:
        raise InputError(f"--workers must be at least 1: given {options.workers}")
    _log(options.quiet)
    tokens = serving.TokenFile(serving.token_file(place.gallery, options.tokens))
    certificate = None
    if options.tls_certificate is not None and options.tls_key is not None:
        certificate = serving.Certificate(options.tls_certificate, options.tls_key)
    body = int(options.max_body_mb * 1_000_000)
    limits = serving.Limits(
        body=body, pixels=options.max_pixels, bodies=max(256_000_000, 4 * body),
        rate=options.rate,
    )  # fmt: skip
    address = serving.Address(
        options.host, options.port, options.name, certificate is not None, options.trust_proxy
    )
    address.check(len(tokens.all()))

    def ready(url: str) -> None:
        say(f"serving {place.gallery} at {url}   (stop with Ctrl-C)")
        if options.open:
            import webbrowser

            webbrowser.open(url)

    if not address.local and certificate is None:
        say("note: without HTTPS others on the network can read tokens and pictures")
    if options.name and certificate is None and not options.trust_proxy:
        say("note: behind a proxy that speaks HTTPS, give its address: --trust-proxy 127.0.0.1")
    if tokens.there and all(token.expired() for token in tokens.all().values()):
        say(f"note: {tokens.file} contains no valid token: nobody can sign in")
    make = partial(_service, place, load, options)
    if options.workers == 1:
        service = make()
        _tell_of_gallery(service.gallery, options.pictures, say)
        serving.serve(service, tokens, address, limits, certificate, ready)
        return
    with _opened(place, None, resident=False) as gallery:
        _tell_of_gallery(gallery, options.pictures, say)
    serving.serve_together(make, options.workers, tokens, address, limits, certificate, ready)


def _service(place: Place, load: Callable[[], Embedder], options: ServeOptions) -> Service:
    """Gallery, model and pictures, opened in the process that answers."""
    from passerby.gallery.travel import Travel, read_travel
    from passerby.serving.service import Service

    _log(options.quiet)
    travel = Travel() if options.travel is None else read_travel(options.travel)
    model = load()
    folder = "://" not in place.gallery and not place.gallery.endswith(".db")
    gallery = _opened(place, model, resident=options.resident and folder)
    return Service(gallery, model, options.pictures, travel=travel)


def _tell_of_gallery(gallery: Gallery, pictures: Path | None, say: Callable[[str], None]) -> None:
    if not gallery.exists:
        say(f"note: {gallery.place}: no gallery yet; the first addition creates it")
    elif pictures is not None:
        _tell_of_missing(gallery, pictures, say)


def _tell_of_missing(gallery: Gallery, root: Path, say: Callable[[str], None]) -> None:
    """Says where the first entries have no picture under the folder, and why."""
    from passerby.serving.pictures import inside

    names = [entry.file_name for entry in gallery.page(LOOKED_AT)]
    missing = [name for name in names if inside(name, root) is None]
    if not missing:
        return
    linked = any(name and (root / name).is_file() for name in missing)
    why = "links that lead out of the folder are not followed" if linked else "no such file"
    say(
        f"note: {root}: {len(missing)} of the first {len(names)} entries show no picture: {why}, "
        f"e.g. {missing[0] or 'an entry without a file name'}"
    )


def _opened(place: Place, model: Embedder | None, *, resident: bool) -> Gallery:
    from passerby.gallery.gallery import Gallery

    token = None if place.token_file is None else place.token_file.read_text("utf-8").strip()
    return Gallery.open(
        place.gallery, model, resident=resident, token=token, audit=place.audit, who=place.who
    )


def _token(arguments: list[str]) -> None:
    name, *rest = arguments or [""]
    kinds = {
        "add": (_TokenPlace, _TokenName, _TokenAccess, _TokenFile),
        "list": (_TokenPlace, _TokenFile),
        "remove": (_TokenPlace, _TokenName, _TokenFile),
    }
    if name not in kinds:
        show(TOKEN_USAGE)
        if name not in ("-h", "--help"):
            raise InputError("name a token command first: add, list, remove")
        return
    fields = [(kind.__name__.strip("_"), flat(kind)) for kind in kinds[name]]
    made = dataclasses.make_dataclass("Token", fields, frozen=True)
    command: Any = parse_options(made, rest, f"passerby serve token {name}")
    serving = _serving()
    tokens = serving.TokenFile(
        serving.token_file(command.TokenPlace.gallery, command.TokenFile.tokens)
    )
    if name == "add":
        access = command.TokenAccess
        seconds = None if access.expires == "never" else age_of(access.expires)
        text = tokens.add(command.TokenName.name, "write" if access.write else "read", seconds)
        show(text)
        _say("kept nowhere: copy it now")
    elif name == "remove":
        tokens.remove(command.TokenName.name)
    else:
        for token in tokens.all().values():
            show(f"{token.name:<24} {token.access:<6} since {_day(token.created)}  {_end(token)}")


def _end(token: Token) -> str:
    if token.expires is None:
        return "never expires"
    return f"{'expired' if token.expired() else 'until'} {_day(token.expires)}"


def _day(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _serving() -> Any:
    """The names that serving needs, from packages that may be missing."""
    try:
        from passerby.serving import server, tokens, workers
    except ImportError as error:
        raise InputError(
            f"serving needs more packages ({error.name}): pip install 'passerby[serve]'"
        ) from error
    from types import SimpleNamespace

    from passerby.serving.settings import Address, Limits

    return SimpleNamespace(
        serve=server.serve, serve_together=workers.serve_together,
        Certificate=server.Certificate, Address=Address,
        Limits=Limits, TokenFile=tokens.TokenFile, token_file=tokens.token_file,
    )  # fmt: skip


class _Shown(logging.Formatter):
    """Lines in which nothing commands the terminal that shows them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def _log(quiet: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Shown("%(asctime)s %(message)s"))
    logger = logging.getLogger("passerby.serving")
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


def _say(text: str) -> None:
    show(text, errors=True)
