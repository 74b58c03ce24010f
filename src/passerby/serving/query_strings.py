"""Query strings of searches: read once, by the model that they are of.

FastAPI looks at the type of every field anew with each request, which takes as long as the search.
"""

from __future__ import annotations

from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


def read_query(model: type[Model], request: Request) -> Model:
    """What a request's query string says; of a value that is there twice, the last.

    Raises:
        RequestValidationError: it breaks a rule of the model.
    """
    given = request.query_params
    lists = {name for name, field in model.model_fields.items() if _is_list(field.annotation)}
    values = {name: given.getlist(name) if name in lists else given[name] for name in given}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(wrong) from None


def described(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The same for the OpenAPI document."""
    schema = model.model_json_schema()
    found = []
    for name, part in schema["properties"].items():
        one = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        told = {"description": part["description"]} if "description" in part else {}
        found.append({**one, "schema": part, **told})
    return found


def _is_list(annotation: Any) -> bool:
    return annotation is list or get_origin(annotation) is list
