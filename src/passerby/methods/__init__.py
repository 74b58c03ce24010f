"""The methods, one file each."""

from __future__ import annotations

from passerby.method import Method
from passerby.methods.bag_of_tricks import METHOD as BAG_OF_TRICKS
from passerby.types import InputError

METHODS: dict[str, Method] = {method.name: method for method in (BAG_OF_TRICKS,)}


def find_method(method: str | Method) -> Method:
    """The method of that name; a `Method` is returned as it is.

    Raises:
        InputError: for an unknown name.
    """
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}; given {method!r}")
    return METHODS[method]
