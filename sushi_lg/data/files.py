"""Small file habits every writer of this package shares: staging with an atomic rename, junk names, one-time notes."""

from __future__ import annotations

import errno
import functools
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_JUNK_NAMES = frozenset({".ds_store", "__macosx", "thumbs.db", "desktop.ini"})
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    A killed job or a full disk leaves the old file, or none, but never half a file. Parent folders are made.

    Raises:
        OSError: from the operating system; where there is no room or no permission it names ``path``.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".staging-", suffix=target.suffix)
    except OSError as error:
        # nobody asked for a file called .staging-
        raise OSError(error.errno, error.strerror, str(target)) from error
    os.close(handle)
    staged = Path(name)
    try:
        yield staged
        staged.chmod(0o666 & ~_umask())  # mkstemp makes private files; results should follow the user's umask
        os.replace(staged, target)
    except BaseException as error:
        staged.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            # the system names no file, or the temporary one
            raise OSError(error.errno, os.strerror(error.errno), str(target)) from error
        raise


def is_junk(name: str) -> bool:
    """Tell whether a file name is litter of an operating system or an archiver (``.DS_Store``, ``._x.txt``, ...)."""
    return name.lower() in _JUNK_NAMES or name.startswith("._")


def visible_children(folder: Path, logger: logging.Logger) -> list[Path]:
    """Return the entries of ``folder`` sorted by name, without hidden files; known junk is named once in the log."""
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    for entry in entries:
        if is_junk(entry.name):
            warn_once(logger, f"{entry}: ignored, left there by an operating system or archiver")
    return [entry for entry in entries if not entry.name.startswith(".") and not is_junk(entry.name)]


@functools.cache
def warn_once(logger: logging.Logger, message: str) -> None:
    """Log ``message`` as a warning the first time it comes up in this process."""
    logger.warning(message)


@functools.cache
def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
