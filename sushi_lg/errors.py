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
