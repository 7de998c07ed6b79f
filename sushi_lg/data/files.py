"""Small file habits every writer of this package shares: staging with an atomic rename, junk names, one-time notes."""

from __future__ import annotations

import difflib
import errno
import functools
import hashlib
import logging
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sushi_lg.errors import DataError

BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""Numbers of errors that say that another process holds a lock."""
_JUNK_NAMES = frozenset({".ds_store", "__macosx", "thumbs.db", "desktop.ini"})
_STAGED = ".staging-"
_MOST_TRIES = 8
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, the same on all systems, see ``atomic_path``; what is no UTF-8 becomes "?"."""
    with atomic_path(path) as staged:
        staged.write_text(text, encoding="utf-8", errors="replace", newline="\n")  # half a surrogate pair is no UTF-8


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    A killed job or a full disk leaves the old file, or none, but never half a file. What a killed job had staged for
    this path is removed when the path is written again. Parent folders are made. A link is replaced by the file. Pipes,
    terminals and other character devices, and names of open files such as ``/dev/stdout``, are never replaced: they get
    what was written when the block ends without an error.

    Raises:
        DataError: ``path`` is a folder, a disk or a socket.
        OSError: from the operating system; where there is no room or no permission it names ``path``.
    """
    target = Path(path)
    is_stream = _is_stream(target)
    # a stream lies where nobody keeps files: /dev, /proc
    folder = Path(tempfile.gettempdir()) if is_stream else target.parent
    folder.mkdir(parents=True, exist_ok=True)
    # the temporary name tells the target, so that one who comes after a killed job knows what is left of it
    key = hashlib.sha1(str(target.absolute() if is_stream else target.name).encode("utf-8", "surrogateescape"))
    prefix = f"{_STAGED}{key.hexdigest()[:12]}-"
    remove_abandoned(folder.glob(f"{prefix}*"))
    try:
        staged, handle = _stage(folder, prefix, target.suffix)
    except OSError as error:
        # nobody asked for a file called .staging-
        raise OSError(error.errno, error.strerror, str(target)) from error
    try:
        yield staged
        if is_stream:
            _pour(staged, target)
        else:
            staged.chmod(0o666 & ~_umask())  # mkstemp makes private files; results should follow the user's umask
            os.replace(staged, target)
    except BaseException as error:
        staged.unlink(missing_ok=True)
        if isinstance(error, OSError) and (error.errno in _NO_ROOM or error.filename == str(staged)):
            # the system names no file, or the temporary one
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    finally:
        if handle is not None:
            os.close(handle)


def _stage(folder: Path, prefix: str, suffix: str) -> tuple[Path, int | None]:
    """Make a temporary file; return it, and the open file whose lock says that it is in use."""
    for _ in range(_MOST_TRIES):
        handle, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=suffix)
        if sys.platform == "win32":  # an open file can be neither locked and written nor renamed there
            break
        if _lock(handle) is not False and is_at(handle, Path(name), follow_links=False):
            return Path(name), handle
        os.close(handle)  # another process took it for an abandoned one, between its making and its lock
    else:
        handle, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=suffix)
    os.close(handle)
    return Path(name), None


def remove_abandoned(paths: Iterable[Path]) -> None:
    """Remove temporary files of processes that are gone; those in use are locked, and stay.

    Args:
        paths: Files and whatever else; only files that are called as ``atomic_path`` calls them are looked at.
    """
    if sys.platform == "win32":
        return
    for path in paths:
        if not path.name.startswith(_STAGED):
            continue
        try:
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # gone, a link, a folder, or somebody else's
            continue
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode) and _lock(handle) and is_at(handle, path, follow_links=False):
                path.unlink(missing_ok=True)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock an open file as long as it is open; return False if another holds it, None if nothing can be locked."""
    try:
        lock(handle)
    except OSError as error:
        return False if error.errno in BUSY else None
    return True


def lock(handle: int) -> None:
    """Lock an open file as long as it is open.

    Raises:
        OSError: at once, with a number in ``BUSY`` where another holds it; others where nothing can be locked.
    """
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_at(handle: int, path: Path, *, follow_links: bool) -> bool:
    """Tell whether an open file still is what lies at ``path``, or, followed, what a link there leads to."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=follow_links))
    except OSError:
        return False


def _is_stream(target: Path) -> bool:
    """Tell whether ``target`` is to be written into instead of replaced.

    Raises:
        DataError: a folder, a disk or a socket.
    """
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise DataError(f"{target}: is a folder, where a file is to be written", "name a file in it, or another path")
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise DataError(f"{target}: no file, and nothing that can be written to as one", "give the name of a file")
    return not stat.S_ISREG(mode) or _is_open_file(target)


def _is_open_file(target: Path) -> bool:
    """Tell whether ``target`` names an open file of a process, or is a link to such a name, as ``/dev/stdout`` is."""
    step = target
    while True:
        folder = Path(os.path.realpath(step.parent))
        if folder.is_relative_to("/proc") or folder == Path("/dev/fd"):
            return True
        if not step.is_symlink():
            return False
        step = folder / step.readlink()


def _pour(staged: Path, target: Path) -> None:
    """Write what is in ``staged`` to ``target``, which exists, and remove ``staged``."""
    # appended: with `--json /dev/stdout > FILE` other lines stand in FILE already
    handle = os.open(target, os.O_WRONLY | os.O_APPEND)
    with staged.open("rb") as source, os.fdopen(handle, "wb") as sink:
        shutil.copyfileobj(source, sink)
    staged.unlink()


def near_paths(path: Path, most: int = 3) -> list[Path]:
    """Return what lies beside ``path`` and is called like it, the nearest first; hidden files and folders never."""
    folder = path.parent
    if not folder.is_dir():
        return []
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    return [path.with_name(name) for name in difflib.get_close_matches(path.name, names, n=most)]


def visible_files(folder: Path, pattern: str) -> list[Path]:
    """Return what ``folder.glob(pattern)`` finds, sorted, without hidden files, such as those a killed job staged."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


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
