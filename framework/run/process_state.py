"""What a training sets for the whole process, put back for the notebook or program that called it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from framework.run.environment import check_libraries


@contextmanager
def isolated() -> Iterator[None]:
    """Checks the libraries; at the end puts back the random states of Python, NumPy and torch, and torch's settings.

    Those are deterministic algorithms, cuDNN's benchmark, and the default float type and threads. Signal handlers and
    logging have contexts of their own. Raises as `check_libraries` does.
    """
    check_libraries()
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - a network may draw from it
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    settings = torch.backends.cudnn.benchmark, torch.get_default_dtype(), torch.get_num_threads()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            torch.backends.cudnn.benchmark = settings[0]
            torch.set_default_dtype(settings[1])
            if torch.get_num_threads() != settings[2]:
                torch.set_num_threads(settings[2])
