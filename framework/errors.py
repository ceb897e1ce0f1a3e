"""The errors that a user can cause, each with the exit code that the command line ends with.

They are ValueErrors: a caller that uses the framework as a library catches what it knows. Anything else that is
raised is a defect of ours and keeps its traceback (exit code 1).
"""


class EmberfieldError(ValueError):
    """A wrong option, name or value: exit code 2, the one that click uses for a wrong command line."""

    exit_code: int = 2


class DataError(EmberfieldError):
    """Images or labels that are missing, damaged or of the wrong shape: exit code 3."""

    exit_code = 3


class RunDirectoryError(EmberfieldError):
    """A run directory that is in use, unwritable, or belongs to another experiment: exit code 4."""

    exit_code = 4


class CheckpointError(EmberfieldError):
    """A checkpoint that is missing, damaged, or of another architecture: exit code 5."""

    exit_code = 5


class UnreadableError(CheckpointError):
    """A checkpoint that may be whole but cannot be read, as without permission: exit code 5."""


class DeviceError(EmberfieldError):
    """A device that is not there, or libraries that are missing or do not fit each other: exit code 6."""

    exit_code = 6


class NonFiniteError(EmberfieldError):
    """A loss or gradient that is not finite, found before the optimizer step: exit code 7."""

    exit_code = 7


class ConstraintError(EmberfieldError):
    """A network that breaks what the recipe declares of it: exit code 8."""

    exit_code = 8


class SaveError(EmberfieldError):
    """A checkpoint or a result that could not be written, as on a full disk: exit code 9."""

    exit_code = 9


class DifferenceError(EmberfieldError):
    """Two runs, or two forms of a network, that should be equal and are not: exit code 10."""

    exit_code = 10


class WorkerError(EmberfieldError):
    """A worker process that was killed, or cannot be started: exit code 11. The run can be resumed."""

    exit_code = 11


class AccuracyError(EmberfieldError):
    """A network that int8 costs more accuracy than is allowed: exit code 12."""

    exit_code = 12


class StoppedError(EmberfieldError):
    """A run that a signal stopped, to be resumed: exit code 75, the one that sysexits.h calls a temporary failure."""

    exit_code = 75
