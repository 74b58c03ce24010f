"""The methods, one file each."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from passerby.method import Method
from passerby.methods.attention_driven import METHOD as ATTENTION_DRIVEN
from passerby.methods.bag_of_tricks import METHOD as BAG_OF_TRICKS
from passerby.methods.feature_mask import METHOD as FEATURE_MASK
from passerby.methods.generated_masks import METHOD as GENERATED_MASKS
from passerby.methods.mask_pooling import METHOD as MASK_POOLING
from passerby.methods.msreid import METHOD as MSREID
from passerby.types import InputError

METHODS: dict[str, Method] = {
    "attention_driven": ATTENTION_DRIVEN,
    "bag_of_tricks": BAG_OF_TRICKS,
    "feature_mask": FEATURE_MASK,
    "generated_masks": GENERATED_MASKS,
    "mask_pooling": MASK_POOLING,
    "msreid": MSREID,
}
"""By name. A new method is one more line here."""


def find_method(method: str | Method) -> Method:
    """The method of that name; a `Method` is returned as it is. No file is imported.

    Raises:
        InputError: for an unknown name.
    """
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}; given {method!r}")
    return METHODS[method]


def import_method(name: str) -> Method:
    """The method of that name, or `path/to/file.py:VARIABLE`, whose code is run.

    Raises:
        InputError: an unknown name, no such file, or no `Method` of that name in it.
    """
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
    return method
