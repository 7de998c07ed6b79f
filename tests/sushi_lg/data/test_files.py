"""Files are written whole or not at all, and nothing but files is ever replaced."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sushi_lg.data.files import atomic_path, visible_files
from sushi_lg.errors import DataError


def write(path: Path, text: str = "new") -> None:
    with atomic_path(path) as staged:
        staged.write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_replaced_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write(path, "old")
    write(path)
    assert path.read_text() == "new" and names(path.parent) == ["b.txt"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    write(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as staged:
        staged.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and names(tmp_path) == ["b.txt"]


def test_a_link_becomes_the_file(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("kept.txt")
    write(tmp_path / "link.txt")
    assert (tmp_path / "link.txt").read_text() == "new" and not (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "kept.txt").read_text() == "old"


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_is_named_and_left_alone(tmp_path: Path, linked: bool) -> None:
    target = tmp_path / "page.html"
    target.mkdir()
    if linked:
        target = tmp_path / "link.html"
        target.symlink_to("page.html")
    before = names(tmp_path)
    with pytest.raises(DataError, match=rf"{target.name}: is a folder") as caught:
        write(target)
    assert caught.value.remedy and "staging" not in str(caught.value)
    assert names(tmp_path) == before


def test_a_folder_that_appears_meanwhile_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, atomic_path(tmp_path / "a") as staged:
        staged.write_text("new")
        (tmp_path / "a").mkdir()
    assert caught.value.errno == errno.EISDIR and caught.value.filename == str(tmp_path / "a")
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_gets_the_text_and_stays_a_pipe(tmp_path: Path, linked: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    target = pipe
    if linked:
        target = tmp_path / "link"
        target.symlink_to(pipe)
    before = names(tmp_path)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    write(target, "long " * 100_000)
    reader.join(timeout=20)
    assert got == ["long " * 100_000]
    assert stat.S_ISFIFO(pipe.lstat().st_mode) and target.is_symlink() == linked
    assert names(tmp_path) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_an_error_writes_nothing_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "pipe") as staged:  # opening it would wait for a reader
        staged.write_text("half")
        raise RuntimeError
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files have no names here")
def test_a_link_to_an_open_file_is_written_through(tmp_path: Path) -> None:
    """As /dev/stdout is, which is a link to /proc/self/fd/1, and that to wherever the output goes."""
    with (tmp_path / "out.txt").open("w") as file:
        file.write("before\n")
        file.flush()
        link = tmp_path / "stdout"
        link.symlink_to(f"/proc/self/fd/{file.fileno()}")
        write(link)
        assert link.is_symlink()
    assert (tmp_path / "out.txt").read_text() == "before\nnew"
    assert names(tmp_path) == ["out.txt", "stdout"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files have no names here")
def test_the_output_of_a_program_that_is_a_pipe(tmp_path: Path) -> None:
    link = tmp_path / "stdout"
    link.symlink_to("/proc/self/fd/1")
    code = (
        "import sys; from sushi_lg.data.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as staged: staged.write_text('new')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(link)], capture_output=True, text=True, check=True)
    assert done.stdout == "new" and link.is_symlink()


STAGE = """
import sys, time
from sushi_lg.data.files import atomic_path, visible_files
with atomic_path(sys.argv[1]) as staged:
    staged.write_text('half')
    print('staged', flush=True)
    time.sleep(60)
"""


def start(path: Path) -> subprocess.Popen[str]:
    """Return a process that is writing ``path``."""
    process = subprocess.Popen([sys.executable, "-c", STAGE, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "staged\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be locked there")
def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    others = [".staging-mine.txt", ".staging-0123456789ab-mine", ".stagingx", "staging-b.txt", ".staging-folder"]
    for name in others[:-1]:
        (tmp_path / name).write_text("kept")
    (tmp_path / others[-1]).mkdir()
    processes = {"dead": start(tmp_path / "b.txt"), "another": start(tmp_path / "c.txt")}
    for process in processes.values():
        process.kill()
        process.communicate()
    alive = start(tmp_path / "b.txt")
    try:
        left = set(names(tmp_path)) - set(others)
        assert len(left) == 2  # of b.txt that of the dead one is gone already, because another writes b.txt
        write(tmp_path / "b.txt")
        assert set(names(tmp_path)) == {*left, *others, "b.txt"}
        write(tmp_path / "c.txt")
        assert len(set(names(tmp_path)) - {*others, "b.txt", "c.txt"}) == 1
    finally:
        alive.kill()
        alive.communicate()
    write(tmp_path / "b.txt", "again")
    assert set(names(tmp_path)) == {*others, "b.txt", "c.txt"}
    assert (tmp_path / "b.txt").read_text() == "again"


def test_two_threads_that_write_one_file_leave_each_others_alone(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "b.txt") as first:
        first.write_text("first")
        write(tmp_path / "b.txt", "second")
        assert first.read_text() == "first"
    assert (tmp_path / "b.txt").read_text() == "first" and names(tmp_path) == ["b.txt"]


def test_hidden_files_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.txt", "a.txt", ".staging-0123456789ab-x.txt", ".a.txt", "a.csv", "deep/c.txt", "deep/.c.txt"):
        (tmp_path / name).touch()
    assert visible_files(tmp_path, "*.txt") == [tmp_path / "a.txt", tmp_path / "b.txt"]
    assert visible_files(tmp_path, "**/*.txt") == [tmp_path / name for name in ("a.txt", "b.txt", "deep/c.txt")]
    assert visible_files(tmp_path / "absent", "*") == []
