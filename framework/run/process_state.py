"""What a training sets for the whole process, put back for the notebook or program that called it."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from framework.run.environment import check_libraries


@contextmanager
def isolated() -> Iterator[None]:
    """Checks the libraries; at the end puts back the random states of Python, NumPy and torch, and torch's settings.

    Those are deterministic algorithms, cuDNN's benchmark, and the default float type and threads. Of libraries that are
    imported inside, nothing is put back. Signal handlers and logging have contexts of their own. Raises as
    `check_libraries` does.
    """
    check_libraries()
    python, numpy, torch = random.getstate(), sys.modules.get("numpy"), sys.modules.get("torch")
    drawn = numpy.random.get_state() if numpy else None
    if torch:
        generators = torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        deterministic = torch.are_deterministic_algorithms_enabled()
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        settings = torch.backends.cudnn.benchmark, torch.get_default_dtype(), torch.get_num_threads()
    try:
        yield
    finally:
        random.setstate(python)
        if numpy:
            numpy.random.set_state(drawn)
        if torch:
            torch.set_rng_state(generators[0])
            if generators[1]:
                torch.cuda.set_rng_state_all(generators[1])
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            torch.backends.cudnn.benchmark = settings[0]
            torch.set_default_dtype(settings[1])
            if torch.get_num_threads() != settings[2]:
                torch.set_num_threads(settings[2])
