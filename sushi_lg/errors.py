"""The errors a user or a file can cause.

Every message names the file and line (or the value) that is wrong and says what to do about it. The command line
prints the message without a traceback and exits with ``exit_code``; what only a bug can cause stays an ``assert``.
"""

from __future__ import annotations


class SushiError(Exception):
    """Base of everything this package raises on purpose.

    Args:
        message: What is wrong, naming file, line or value.
        remedy: What the user can do about it; printed on its own line.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str | None = None) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message if remedy is None else f"{message}\n  fix: {remedy}")


class DataError(SushiError):
    """A data file or folder is wrong, missing or inconsistent."""

    exit_code = 3


class ConfigError(SushiError):
    """A configuration key or value is unknown, missing or out of range."""

    exit_code = 4


class WeightsError(SushiError):
    """Network weights are missing, unreadable or do not fit the recipe."""

    exit_code = 5


# as PyTorch, cuBLAS, onnxruntime and OpenCV say it; their errors share no class
_NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "failed to allocate memory",
    "can't allocate memory",
    "bad_alloc",
    "alloc_failed",
    "insufficient memory",
)


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says; its kind where it says nothing."""
    return str(error).partition("\n")[0] or type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that no memory is left, on the host or on a GPU, whichever library says it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # that of PyTorch, not imported
        return True
    return isinstance(error, Exception) and any(words in str(error).lower() for words in _NO_MEMORY)
