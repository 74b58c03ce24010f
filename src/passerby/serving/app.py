"""The HTTP API under /v1, and the page."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray
from PIL import Image
from starlette.exceptions import HTTPException
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from passerby.figures.overlay import OverlayKind
from passerby.gallery.entries import content_of
from passerby.gallery.filters import Filter
from passerby.serving import schemas
from passerby.serving.batches import Batches
from passerby.serving.guard import Guard, User, cookie_of, headers_of
from passerby.serving.limits import Rates, Work
from passerby.serving.metrics import Metrics
from passerby.serving.page_files import page_files
from passerby.serving.pictures import FORMATS, encoded, received
from passerby.serving.query_strings import described, read_query
from passerby.serving.refusals import Refusal, one_line
from passerby.serving.service import Asked, Service
from passerby.serving.sessions import COOKIE, HOURS, Sessions
from passerby.serving.settings import Address, Limits
from passerby.serving.shared import Table
from passerby.serving.times import add_times
from passerby.serving.tokens import TokenFile
from passerby.types import InputError

T = TypeVar("T")
LOG = logging.getLogger("passerby.serving")

PICTURES = 16
"""Pictures that are embedded together."""

TITLE = "passerby"
ABOUT = (
    "Searches a gallery of pictures of people. A ranking is not an identity: the first hit is the "
    "most similar entry there is, also when the person is not there at all. Pictures that are sent "
    "are never stored. Answers that refuse are one line of JSON: {\"error\": ...}."
)  # fmt: skip

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_PICTURE_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": dict.fromkeys(FORMATS.values(), _BINARY)}
}
_REFUSED = {
    400: "Not understood", 401: "No token", 403: "Not allowed", 404: "Not there",
    408: "Too slow", 409: "Not as the gallery stands", 413: "Too great", 415: "No picture",
    421: "Another host", 422: "Breaks a rule", 429: "Too many requests", 503: "Too busy",
    507: "The disk is full",
}  # fmt: skip
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.ErrorModel, "description": text} for status, text in _REFUSED.items()
}
_JPEG: dict[int | str, dict[str, Any]] = {
    **_ERRORS, 200: {"content": {"image/jpeg": _BINARY}, "description": "The picture"}
}  # fmt: skip

KeyQuery = Annotated[str, Query(min_length=1, max_length=256)]


@dataclass(frozen=True)
class Parts:
    """What the routes share."""

    service: Service
    tokens: TokenFile
    sessions: Sessions
    metrics: Metrics
    work: Work
    searches: Batches[Asked, schemas.AnswerModel]
    embeddings: Batches[Image.Image, NDArray[np.float32]]
    limits: Limits
    address: Address

    async def embedding(self, body: bytes) -> NDArray[np.float32]:
        """(D,) of the picture that a body is.

        Raises:
            Refusal: no picture, or one that is not taken; 503, too much waits.
        """
        picture = await self.work(lambda: received(body, self.limits.pixels))
        return await self.embeddings(picture)

    async def search(self, asked: Asked) -> Response:
        """The answer to a search.

        Raises:
            Refusal: 404, no such entry; 503, too much waits.
        """
        found = await self.searches(asked)
        matched = any(hit.match is not False for hit in found.hits)
        self.metrics.searches.labels("yes" if matched else "no").inc()
        return Response(found.model_dump_json(), media_type="application/json")

    async def do(self, request: Request, function: Callable[[], T], *, write: bool = False) -> T:
        """What a function returns, computed beside others in the user's name.

        Raises:
            Refusal: 403, the user may only read; 503, too much waits.
        """
        user = _allowed(request, write=write)

        def acting() -> T:
            with self.service.gallery.audit.acting(user.name):
                return function()

        return await self.work(acting)


def create_app(
    service: Service,
    tokens: TokenFile,
    address: Address | None = None,
    limits: Limits | None = None,
    shared: Path | None = None,
) -> FastAPI:
    """The application; it closes the gallery when it ends.

    Args:
        service: gallery, model and pictures.
        tokens: who may use it; none there: whoever reaches it.
        address: which Host headers it answers to.
        limits: see there.
        shared: folder of what the processes of one server have in common; None: it is one process.

    Raises:
        InputError: an address that is not safe without a token.
    """
    address, limits = address or Address(), limits or Limits()
    address.check(len(tokens.all()))
    metrics = Metrics()
    work = Work(limits.threads, limits.waiting, metrics.work.set)
    sessions, clients = (
        Table(None if shared is None else shared / name) for name in ("sessions", "clients")
    )
    parts = Parts(
        service, tokens, Sessions(tokens, table=sessions), metrics, work,
        Batches(service.search, work), Batches(service.embed, work, PICTURES), limits, address,
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for each in (parts.work, parts.embeddings, parts.searches):
            each.close()
        service.gallery.close()

    app = FastAPI(
        title=TITLE, description=ABOUT, version="1", openapi_url="/v1/openapi.json",
        docs_url=None, redoc_url=None, lifespan=lifespan, responses=_ERRORS,
        redirect_slashes=False,
    )  # fmt: skip
    app.add_middleware(
        Guard, address=address, limits=limits, tokens=tokens, sessions=parts.sessions,
        metrics=metrics, rates=Rates(limits.rate, limits.burst, table=clients),
    )  # fmt: skip
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(address.proxies))
    _add_refusals(app, service)
    _add_server(app, parts)
    _add_searches(app, parts)
    _add_entries(app, parts)
    _add_corrections(app, parts)
    _add_suggestions(app, parts)
    add_times(app, service, parts.do, limits.pixels, _JPEG)
    _add_page(app)
    return app


def _add_server(app: FastAPI, parts: Parts) -> None:
    @app.get("/v1/health")
    async def health() -> schemas.HealthModel:
        """Whether the server works; needs no token."""
        return schemas.HealthModel(status="ok")

    @app.get("/v1/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Counts and times of requests, as Prometheus reads them."""
        return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/statistics")
    async def statistics(request: Request) -> schemas.StatisticsModel:
        """The gallery in numbers."""
        return await parts.do(request, parts.service.statistics)

    @app.get("/v1/session")
    async def session(request: Request) -> schemas.SessionModel:
        """Who is logged in; needs no token."""
        return _session_of(request.state.user)

    @app.post("/v1/session")
    async def login(
        login: schemas.Login, request: Request, response: Response
    ) -> schemas.SessionModel:
        """Logs a page in: the answer's cookie stands for the token until logged out."""
        token = parts.tokens.find(login.token.strip())
        if token is None:
            raise Refusal(401, "invalid token")
        if token.expired():
            raise Refusal(401, f"the token {token.name} has expired: ask for a new one")
        response.set_cookie(
            COOKIE, parts.sessions.start(token), max_age=HOURS * 3600, path="/",
            secure=request.url.scheme == "https", httponly=True, samesite="strict",
        )  # fmt: skip
        return _session_of(User(token.name, token.access))

    @app.delete("/v1/session")
    async def logout(request: Request, response: Response) -> schemas.SessionModel:
        """Logs a page out."""
        cookie = cookie_of(headers_of(request.scope))
        if cookie is not None:
            parts.sessions.end(cookie)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return _session_of(None if parts.sessions.needed else User("local", "write"))


def _add_searches(app: FastAPI, parts: Parts) -> None:
    service = parts.service

    @app.post(
        "/v1/search/picture",
        response_model=schemas.AnswerModel,
        openapi_extra={**_PICTURE_BODY, "parameters": described(schemas.PictureSearch)},
    )
    async def search_by_picture(request: Request) -> Response:
        """Finds the entries most similar to a picture, which is the request's body."""
        query = read_query(schemas.PictureSearch, request)
        service.check_count("k", query.k)
        body, who = await request.body(), request.state.user.name
        embedding = await parts.embedding(body)
        return await parts.search(service.asked_by_picture(query, embedding, content_of(body), who))

    @app.get(
        "/v1/search/entry",
        response_model=schemas.AnswerModel,
        openapi_extra={"parameters": described(schemas.EntrySearch)},
    )
    async def search_by_entry(request: Request) -> Response:
        """Finds the entries most similar to one of them."""
        query = read_query(schemas.EntrySearch, request)
        service.check_count("k", query.k)
        return await parts.search(service.asked_by_entry(query, request.state.user.name))

    @app.post("/v1/overlay", openapi_extra=_PICTURE_BODY, responses=_JPEG, response_class=Response)
    async def overlay_of_picture(request: Request, kind: OverlayKind) -> Response:
        """A picture, the request's body, under the model's mask or attention."""
        body = await request.body()

        def draw() -> bytes:
            return encoded(service.overlay(received(body, parts.limits.pixels), kind))

        return _jpeg(await parts.do(request, draw))


def _add_entries(app: FastAPI, parts: Parts) -> None:
    service = parts.service

    @app.get("/v1/entries")
    async def entries(
        request: Request, query: Annotated[schemas.PageQuery, Query()]
    ) -> schemas.PageModel:
        """Entries by key, page by page."""
        return await parts.do(request, lambda: service.page(query))

    @app.post("/v1/entries", openapi_extra=_PICTURE_BODY)
    async def add(
        request: Request, query: Annotated[schemas.NewEntry, Query()]
    ) -> schemas.AddedModel:
        """Adds an entry by its picture, the request's body. Once answered, it is stored."""
        _allowed(request, write=True)
        body = await request.body()
        embedding = await parts.embedding(body)
        found = await parts.do(
            request, lambda: service.add(embedding, query, content_of(body)), write=True
        )
        parts.metrics.added.inc(found.added)
        return found

    @app.delete("/v1/entries")
    async def remove(
        request: Request,
        key: Annotated[list[schemas.Key], Query(min_length=1, max_length=1000)],
    ) -> schemas.RemovedModel:
        """Removes entries for good."""
        return await _removed(parts, request, Filter(keys=key))

    @app.get("/v1/persons")
    async def people(
        request: Request, query: Annotated[schemas.PeopleQuery, Query()]
    ) -> schemas.PeopleModel:
        """Identities by name, page by page, each with its entries counted."""
        return await parts.do(request, lambda: service.people(query))

    @app.delete("/v1/persons")
    async def remove_person(
        request: Request, person: Annotated[schemas.Name, Query()]
    ) -> schemas.RemovedModel:
        """Removes all entries of a person for good."""
        return await _removed(parts, request, Filter(persons=[person]))

    @app.get("/v1/entries/picture", responses=_JPEG, response_class=Response)
    async def picture(request: Request, key: KeyQuery) -> Response:
        """The picture of an entry, small, without anything else that its file may say."""
        most = parts.limits.pixels
        return _jpeg(await parts.do(request, lambda: encoded(service.picture(key, most))))

    @app.get("/v1/entries/overlay", responses=_JPEG, response_class=Response)
    async def overlay_of_entry(request: Request, key: KeyQuery, kind: OverlayKind) -> Response:
        """The same under the model's mask or attention."""
        most = parts.limits.pixels

        def draw() -> bytes:
            return encoded(service.overlay(service.picture(key, most), kind))

        return _jpeg(await parts.do(request, draw))


def _add_corrections(app: FastAPI, parts: Parts) -> None:
    service = parts.service

    @app.post("/v1/persons/assign")
    async def assign(request: Request, wanted: schemas.Assignment) -> schemas.ChangedModel:
        """Gives entries an identity, or none."""
        return await parts.do(
            request, lambda: service.assign(wanted.keys, wanted.person), write=True
        )

    @app.post("/v1/persons/merge")
    async def merge(request: Request, wanted: schemas.Merge) -> schemas.ChangedModel:
        """Makes several identities one."""
        return await parts.do(
            request, lambda: service.merge(wanted.persons, wanted.into), write=True
        )

    @app.post("/v1/persons/split")
    async def split(request: Request, wanted: schemas.Split) -> schemas.ChangedModel:
        """Makes entries a new identity of their own."""
        return await parts.do(request, lambda: service.split(wanted.keys, wanted.into), write=True)

    @app.post("/v1/persons/rename")
    async def rename(request: Request, wanted: schemas.Rename) -> schemas.ChangedModel:
        """Gives a person or a camera another name that nobody has."""
        return await parts.do(request, lambda: service.rename(wanted), write=True)

    @app.post("/v1/persons/undo")
    async def undo(request: Request, wanted: schemas.Undo) -> schemas.ChangedModel:
        """Gives entries the names back that a correction took."""
        return await parts.do(request, lambda: service.undo(wanted.change), write=True)


def _add_suggestions(app: FastAPI, parts: Parts) -> None:
    service = parts.service

    @app.get("/v1/suggestions")
    async def suggestions(
        request: Request, query: Annotated[schemas.SuggestionsQuery, Query()]
    ) -> schemas.SuggestionsModel:
        """Tracks that are probably one person, to decide on; nothing is changed."""
        return await parts.do(request, lambda: service.suggestions(query))

    @app.post("/v1/suggestions/decide")
    async def decide(request: Request, wanted: schemas.Decided) -> schemas.ChangedModel:
        """Keeps what somebody says of two entries' tracks; `undo` takes it back."""
        return await parts.do(request, lambda: service.decide(wanted), write=True)


def _add_page(app: FastAPI) -> None:
    for path, (content, kind) in page_files().items():
        app.add_api_route(path, _file(content, kind), include_in_schema=False)


def _file(content: bytes, kind: str) -> Callable[[], Any]:
    async def file() -> Response:
        return Response(content, media_type=kind)

    return file


def _add_refusals(app: FastAPI, service: Service) -> None:
    place = str(service.gallery.place)

    def answer(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
        # Where things lie on the server is nobody's business.
        text = one_line(message).replace(place, "the gallery")
        return JSONResponse({"error": text}, status, headers=headers)

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return answer(refusal.status, refusal.message, refusal.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return answer(422, f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def not_found(_: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(InputError)
    async def bad_input(_: Request, error: InputError) -> JSONResponse:
        return answer(409, str(error))

    @app.exception_handler(OSError)
    async def failed(_: Request, error: OSError) -> JSONResponse:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return answer(507, f"the disk is full: {error.strerror}")
        if isinstance(error, TimeoutError):
            return answer(503, "the gallery is in use by a process that does not let go of it")
        raise error


def _allowed(request: Request, *, write: bool) -> User:
    user: User = request.state.user
    if write and user.access != "write":
        raise Refusal(403, f"the token {user.name} may only read")
    return user


async def _removed(parts: Parts, request: Request, where: Filter) -> schemas.RemovedModel:
    rows = await parts.do(request, lambda: parts.service.remove(where), write=True)
    parts.metrics.removed.inc(rows)
    return schemas.RemovedModel(removed=rows)


def _session_of(user: User | None) -> schemas.SessionModel:
    if user is None:
        return schemas.SessionModel(login=True, name=None, access=None)
    return schemas.SessionModel(login=False, name=user.name, access=user.access)


def _jpeg(content: bytes) -> Response:
    return Response(content, media_type="image/jpeg")
