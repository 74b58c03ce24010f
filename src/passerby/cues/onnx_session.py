"""ONNX files in ONNX Runtime: whole in themselves, so that their bytes stand for the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from passerby.types import InputError

_FOLDER = "session.model_external_initializers_file_folder_path"


def open_session(
    content: bytes,
    source: str,
    needs: str,
    providers: Callable[[Any], Sequence[str]],
    threads: int = 0,
) -> Any:
    """A session of ONNX Runtime.

    Weights in other files (ONNX's external data) are refused: they could change behind the file's
    back, and with them what its fingerprint stands for.

    Args:
        content: the file's bytes.
        source: names the file in messages.
        needs: who needs ONNX Runtime and how to install it, for the message without it.
        providers: which of ONNX Runtime's providers, given the module.
        threads: of one operator; 0: as ONNX Runtime has it.

    Raises:
        InputError: ONNX Runtime is missing, or reads no network from the bytes.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{needs} ({error})") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Where no file can lie: otherwise they would be looked for in the working directory.
    options.add_session_config_entry(_FOLDER, os.devnull)
    chosen = list(providers(onnxruntime))
    try:
        return onnxruntime.InferenceSession(content, options, providers=chosen)
    except Exception as error:
        # ONNX Runtime raises classes of its own that share no base but Exception.
        if "external" in str(error).lower():
            raise InputError(
                f"{source}: its weights are in other files (external data): save it as one file "
                "with onnx.save(onnx.load(FILE), OTHER)"
            ) from None
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"{source}: ONNX Runtime cannot read it: {reason}") from None
