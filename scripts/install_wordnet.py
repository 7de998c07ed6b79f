"""Put WordNet 3.0 where NLTK reads it, from two Debian packages: ``make wordnet``.

    .venv/bin/python scripts/install_wordnet.py [FOLDER]

Needs ``apt-get`` and ``dpkg-deb``, no root. The packages (``wordnet-base`` and ``wordnet-sense-index``) are fetched
with ``apt-get download``, which checks their signatures; where that knows no such package, it gets fresh lists of
packages in a temporary folder first. What Debian leaves out, the names of the 45 files of the lexicographers, is
written here.

FOLDER gets ``corpora/wordnet``; by default it is the user's cache, where the evaluation looks. A WordNet that is there
and complete stays. Elsewhere than on Debian: ``python -m nltk.downloader wordnet``, and unzip it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from semantic.evaluation.wordnet import install_folder, read_wordnet
from sushi_lg.errors import DataError
from sushi_lg.perception.lock import locked

_STAGED = ".staging-wordnet-"
PACKAGES = ("wordnet-base", "wordnet-sense-index")
# lexnames(5WN): number, name and part of speech (noun 1, verb 2, adjective 3, adverb 4)
LEXICOGRAPHERS = (
    *("adj.all", "adj.pert", "adv.all", "noun.Tops", "noun.act", "noun.animal", "noun.artifact", "noun.attribute"),
    *("noun.body", "noun.cognition", "noun.communication", "noun.event", "noun.feeling", "noun.food", "noun.group"),
    *("noun.location", "noun.motive", "noun.object", "noun.person", "noun.phenomenon", "noun.plant"),
    *("noun.possession", "noun.process", "noun.quantity", "noun.relation", "noun.shape", "noun.state"),
    *("noun.substance", "noun.time", "verb.body", "verb.change", "verb.cognition", "verb.communication"),
    *("verb.competition", "verb.consumption", "verb.contact", "verb.creation", "verb.emotion", "verb.motion"),
    *("verb.perception", "verb.possession", "verb.social", "verb.stative", "verb.weather", "adj.ppl"),
)
PARTS_OF_SPEECH = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
SYNSETS = {"noun": 82_115, "verb": 13_767, "adj": 18_156, "adv": 3_621}  # of WordNet 3.0, wnstats(7WN)


def main(arguments: list[str]) -> int:
    """Install WordNet and check it; return 0, or 1 with a message."""
    root = Path(arguments[0]) if arguments else install_folder()
    folder = root / "corpora" / "wordnet"
    if folder.is_dir() and not fault(root):
        print(f"WordNet is there: {folder}")
        return 0
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            print(f"no {tool} here: unzip what `python -m nltk.downloader wordnet` fetches to {folder}")
            return 1
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder.parent, "wordnet"):
            wrong = install(folder)
    except DataError as error:  # another run of this is under way
        wrong = str(error)
    if wrong:
        print(wrong)
        return 1
    print(f"WordNet 3.0 installed: {folder}")
    return 0


def install(folder: Path) -> str:
    """Fetch WordNet into ``folder``, all or nothing; return what is wrong, or nothing. Call it with the lock held."""
    for left in folder.parent.glob(f"{_STAGED}*"):  # of runs that were killed: while we hold the lock, no other works
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_STAGED) as work:
        staged = Path(work, "corpora", "wordnet")
        try:
            unpack(fetch(Path(work)), staged)
        except subprocess.CalledProcessError as error:
            return f"{' '.join(map(str, error.cmd))} failed:\n{error.stderr.strip()}"
        wrong = fault(Path(work))
        if not wrong:
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(staged, folder)
        return wrong


def fetch(work: Path) -> list[Path]:
    """Download the packages to ``work``: with the machine's lists of packages, else with fresh ones."""
    try:
        run("apt-get", "download", *PACKAGES, folder=work)
    except subprocess.CalledProcessError:
        for part in ("lists/partial", "cache/archives/partial"):
            (work / part).mkdir(parents=True, exist_ok=True)
        own = (f"-oDir::State::lists={work}/lists", f"-oDir::Cache={work}/cache")
        run("apt-get", *own, "update", folder=work)
        run("apt-get", *own, "download", *PACKAGES, folder=work)
    return sorted(work.glob("*.deb"))


def unpack(packages: list[Path], folder: Path) -> None:
    """Put the files of the packages into ``folder``, and ``lexnames`` beside them."""
    with tempfile.TemporaryDirectory() as tree:
        for package in packages:
            run("dpkg-deb", "-x", str(package), tree, folder=package.parent)
        shutil.copytree(Path(tree, "usr", "share", "wordnet"), folder)
    rows = [f"{number:02d}\t{name}\t{part_of_speech(name)}" for number, name in enumerate(LEXICOGRAPHERS)]
    (folder / "lexnames").write_text("\n".join(rows) + "\n", encoding="ascii")


def part_of_speech(name: str) -> int:
    """Return the number of a file's part of speech."""
    return PARTS_OF_SPEECH[name.split(".")[0]]


def fault(root: Path) -> str:
    """Return what is wrong with the WordNet below ``root``; empty where it is whole."""
    try:
        read_wordnet(root)
    except DataError as error:
        return str(error)
    for part, expected in SYNSETS.items():
        path = root / "corpora" / "wordnet" / f"data.{part}"
        found = sum(not line.startswith(b"  ") for line in path.read_bytes().splitlines())  # others are the licence
        if found != expected:
            return f"{path}: {found} synsets, not the {expected} of WordNet 3.0"
    return ""


def run(*command: str, folder: Path) -> None:
    """Run a program in ``folder``.

    Raises:
        CalledProcessError: it failed; what it wrote stands in ``stderr``.
    """
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
