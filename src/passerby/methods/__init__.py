"""The methods, one file each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.method import Method

_FILES = (
    "attention_driven",
    "bag_of_tricks",
    "cluster_contrast",
    "feature_mask",
    "generated_masks",
    "mask_pooling",
    "msreid",
)
"""A new method is one more line here."""


class _Methods(Mapping[str, "Method"]):
    """Imports a method's file, and torch with it, when somebody asks for it."""

    def __getitem__(self, name: str) -> Method:
        if name not in _FILES:
            raise KeyError(name)
        method: Method = import_module(f"{__name__}.{name}").METHOD
        return method

    def __iter__(self) -> Iterator[str]:
        return iter(_FILES)

    def __len__(self) -> int:
        return len(_FILES)


METHODS = _Methods()
"""By name."""


def find_method(method: str | Method) -> Method:
    """The method of that name; a `Method` is returned as it is. No file is imported.

    Raises:
        InputError: for an unknown name.
    """
    if not isinstance(method, str):
        return method
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}; given {method!r}")
    return METHODS[method]


def import_method(name: str) -> Method:
    """The method of that name, or `path/to/file.py:VARIABLE`, whose code is run.

    Raises:
        InputError: an unknown name, no such file, or no `Method` of that name in it.
    """
    from passerby.method import Method

    path, colon, variable = name.rpartition(":")
    if not colon or not path.endswith(".py"):
        return find_method(name)
    if not Path(path).is_file():
        raise InputError(f"there is no file {path} to take the method {variable} from")
    spec = spec_from_file_location(f"method_{Path(path).stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Dataclasses look their annotations up here.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    method = getattr(module, variable, None)
    if not isinstance(method, Method):
        raise InputError(f"{path} has no Method named {variable}")
    return replace(method, source=f"{Path(path).resolve()}:{variable}")
