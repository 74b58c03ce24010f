"""What the site says of commands and of the HTTP API, taken from the program as it is built.

`{options} gallery add` lists a command's options, `{commands} gallery` the commands behind a name,
`{http}` the HTTP API, each as the program itself tells them. Pages that hold one of these are
written anew each time: the program may have changed where the page has not.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from passerby.cli.main import run

_OPTION = re.compile(r"  (\S.*?)(?:  +(\S.*))?")


def help_of(command: str) -> str:
    """What `passerby COMMAND --help` prints, in lines so long that no text is broken."""
    os.environ.update(COLUMNS="2000", NO_COLOR="1")
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        run([*command.split(), "--help"])
    return shown.getvalue()


def options_in(text: str) -> Iterator[tuple[str, str]]:
    """Each option of a help text, and what it says of it."""
    found: list[list[str]] = []
    for line in map(str.rstrip, text.splitlines()):
        if option := _OPTION.fullmatch(line):
            found.append([option[1], option[2] or ""])
        elif found and line.startswith("   "):
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
    yield from ((name, said) for name, said in found if name != "-h, --help")


def commands_in(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a usage text, and what it does."""
    for line in text.splitlines():
        if found := re.match(r"  (\S+)  +(\S.*)", line):
            yield found[1], found[2]


def words(text: str) -> list[nodes.Node]:
    """Running text; what stands in backticks is code."""
    parts = text.split("`")
    return [
        nodes.literal(text=part) if index % 2 else nodes.Text(part)
        for index, part in enumerate(parts)
    ]


def explained(pairs: Iterable[tuple[str, str]]) -> nodes.definition_list:
    """Names in code, each with what is said of it."""
    listed = nodes.definition_list(classes=["options"])
    for name, said in pairs:
        item = nodes.definition_list_item()
        item += nodes.term("", "", nodes.literal(text=name))
        item += nodes.definition("", nodes.paragraph("", "", *words(said)))
        listed += item
    return listed


class Options(SphinxDirective):
    """`{options} COMMAND`."""

    has_content, required_arguments, final_argument_whitespace = False, 1, True

    def run(self) -> list[nodes.Node]:
        """Usage, and the list of options."""
        self.env.note_reread()
        text = help_of(self.arguments[0])
        found = list(options_in(text))
        if not found:
            raise self.error(f"passerby {self.arguments[0]} --help names no option")
        usage = text.partition("\n")[0].removeprefix("usage: ").replace("[-h] ", "")
        return [nodes.literal_block(usage, usage, language="none"), explained(found)]


class Commands(SphinxDirective):
    """`{commands}`, or `{commands} gallery`."""

    has_content, optional_arguments = False, 1

    def run(self) -> list[nodes.Node]:
        """The list of commands."""
        self.env.note_reread()
        found = list(commands_in(help_of(" ".join(self.arguments))))
        if not found:
            raise self.error(f"passerby {' '.join(self.arguments)} --help names no command")
        return [explained(found)]


def openapi() -> dict[str, Any]:
    """The OpenAPI document that `passerby serve` answers at /v1/openapi.json."""
    from passerby.embedding.embedder import Embedder
    from passerby.gallery.gallery import Gallery
    from passerby.gallery.settings import Space
    from passerby.serving.app import create_app
    from passerby.serving.service import Service
    from passerby.serving.tokens import TokenFile

    with (
        tempfile.TemporaryDirectory() as folder,
        Gallery.open(Path(folder) / "empty.gallery", Space("none", "cosine")) as gallery,
    ):
        service = Service(gallery, Embedder.default(), None)
        return create_app(service, TokenFile(Path(folder) / "tokens.json")).openapi()


class Http(SphinxDirective):
    """`{http}`."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        """A section for each request."""
        self.env.note_reread()
        document = openapi()
        return [
            self._request(method, path, request, document)
            for path, requests in document["paths"].items()
            for method, request in requests.items()
        ]

    def _request(
        self, method: str, path: str, request: dict[str, Any], document: dict[str, Any]
    ) -> nodes.section:
        title = f"{method.upper()} {path}"
        section = nodes.section(ids=[nodes.make_id(title)], names=[title])
        section += nodes.title("", "", nodes.literal(text=title))
        said = request.get("description") or request.get("summary", "")
        section += nodes.paragraph("", "", *words(" ".join(said.split())))
        if request.get("parameters"):
            section += explained(_parameter(one) for one in request["parameters"])
        if body := request.get("requestBody"):
            section += nodes.paragraph(text="Body: " + _body(body["content"]))
            section += explained(_fields(body["content"], document))
        answer = request["responses"].get("200", {}).get("content", {})
        if fields := list(_fields(answer, document)):
            section += nodes.paragraph(text="Answer:")
            section += explained(fields)
        return section


def _parameter(one: dict[str, Any]) -> tuple[str, str]:
    needed = " (required)" if one.get("required") else ""
    return f"{one['name']} ({_type(one['schema'])})", one.get("description", "") + needed


def _body(content: dict[str, Any]) -> str:
    return " or ".join(content)


def _fields(content: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    schema = content.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    known = document.get("components", {}).get("schemas", {})
    for field, one in known.get(name, {}).get("properties", {}).items():
        yield f"{field} ({_type(one)})", one.get("description", "")


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"{_type(schema.get('items', {}))}, any number"
    return str(schema.get("const", schema.get("type", "any")))


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes the directives known to Sphinx."""
    app.add_directive("options", Options)
    app.add_directive("commands", Commands)
    app.add_directive("http", Http)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
