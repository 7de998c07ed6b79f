"""One run at a time into one place: a lock of the operating system, gone with the process that held it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sushi_lg.data.files import BUSY, is_at, lock
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

_MOST_TRIES = 100


@contextmanager
def locked(folder: str | Path, name: str) -> Iterator[None]:
    """Hold ``folder/.lock-<name>`` while the block runs; the folder is made.

    Args:
        folder: Where results are written.
        name: Tells apart runs that may write into one folder together.

    Raises:
        DataError: another run holds it, or there can be no such folder.
    """
    path = Path(folder) / f".lock-{name}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(one for one in path.parents if one.is_file())
        raise DataError(f"{file}: a file stands where a folder is needed", "choose another --out") from error
    handle = _taken(path)
    try:
        yield
    finally:
        if sys.platform != "win32":  # there an open file cannot be removed, and an empty one stays behind
            path.unlink(missing_ok=True)
        os.close(handle)


def _taken(path: Path) -> int:
    """Return the open file of a lock that is ours."""
    for _ in range(_MOST_TRIES):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock(handle)
        except OSError as error:
            if error.errno not in BUSY:  # some network drives
                logger.warning("%s: cannot be locked (%s); start no second run that writes here", path.parent, error)
                return handle
            os.close(handle)
            raise DataError(
                f"{path.parent}: another run is writing here", "wait for it, or choose another --out"
            ) from error
        if is_at(handle, path, follow_links=True):
            return handle
        os.close(handle)  # who held it before removed it between our opening and our locking
    raise DataError(f"{path}: a file that is made here is not found here", "choose another --out, on another drive")
