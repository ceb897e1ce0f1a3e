"""Early stopping."""

from ignite.engine import Engine
from ignite.handlers import EarlyStopping


def make_early_stopping(trainer: Engine, patience: int | None) -> EarlyStopping | None:
    """Ignite's early stopping on the validation accuracy, or None without a patience.

    It is called by `finish_epoch` and not attached, because `attach` resets its counter on events that fire again
    after a resume.
    """
    if patience is None:
        return None
    return EarlyStopping(patience, lambda evaluator: evaluator.state.metrics["accuracy"], trainer)
