"""MediaPipe's finished solutions, without the packages that it imports only to draw and to show."""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

# Some 700 MB, which nothing here calls.
NOT_CALLED = ("cv2", "matplotlib", "matplotlib.pyplot")


def solutions() -> Any:
    """The module `mediapipe.solutions`."""
    with _stand_ins():
        import mediapipe

    return mediapipe.solutions


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """Empty modules in place of those that are not called; other tools may want the real ones afterwards."""
    missing = {name: ModuleType(name) for name in NOT_CALLED if name not in sys.modules}
    for name, module in missing.items():
        parent, _, child = name.rpartition(".")
        if parent in missing:
            setattr(missing[parent], child, module)
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
