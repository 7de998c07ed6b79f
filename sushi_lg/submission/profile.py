"""What a server wants to be sent: one dated YAML file a benchmark."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sushi_lg.data.splits import read_split
from sushi_lg.errors import ConfigError, DataError

LAYOUTS = ("root", "folder")


@dataclass
class Profile:
    """Rules of one server.

    Attributes:
        title: what is submitted to.
        server: where that is.
        checked: year and month in which somebody last read the rules.
        splits: the sequences whose files are sent, by named splits.
        may_be_empty: split whose files may hold no row; they are sent empty where there are no results.
        suffixes: every file is sent once under each of these; a result may lie under the plain name.
        dataset: folder name of the data set, where the names of the sequences come from the user's copy of it.
        part: folder of that data set.
        count: number of sequences; 0 = that of the splits.
        pattern: regular expression of a name, where the names themselves are not known here.
        lengths: frames by sequence, as far as they are known.
        layouts: where files may lie in the archive: ``root`` or ``folder``; the first one is the default.
        folder: name of that folder.
        form: what the page asks for beside the file.
        quota: how often one may upload, in words.
    """

    title: str
    server: str
    checked: str
    splits: list[str] = field(default_factory=list)
    may_be_empty: str | None = None
    suffixes: list[str] = field(default_factory=list)
    dataset: str | None = None
    part: str | None = None
    count: int = 0
    pattern: str | None = None
    lengths: dict[str, int] = field(default_factory=dict)
    layouts: list[str] = field(default_factory=lambda: ["root"])
    folder: str = ""
    form: list[str] = field(default_factory=list)
    quota: str = ""

    def sequences(self, data: Path | None = None) -> dict[str, bool]:
        """Return the sequences that are sent, each with whether its file may be empty.

        Args:
            data: folder of the data sets, for profiles whose names come from there.

        Raises:
            DataError: the names come from the data set and it is not given, or holds another number of sequences.
        """
        if self.splits:
            return {name: split == self.may_be_empty for split in self.splits for name in read_split(split).sequences}
        if data is None:
            raise DataError(f"{self.title}: the names of its sequences come with the data set", "add --data ROOT")
        folder = data / str(self.dataset) / str(self.part)
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        names = [name for name in names if re.fullmatch(self.pattern or ".*", name)]
        if len(names) != self.count:
            raise DataError(f"{folder}: {len(names)} sequences, the server has {self.count}", "give the whole test set")
        return dict.fromkeys(names, False)

    def file_names(self, sequence: str) -> list[str]:
        """Return the names, without folder, under which a sequence is sent."""
        return [f"{sequence}{suffix}.txt" for suffix in self.suffixes or [""]]


@cache
def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles."""
    folder = resources.files("sushi_lg.submission") / "profiles"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


@cache
def load_profile(name: str) -> Profile:
    """Read a profile.

    Raises:
        ConfigError: no profile of that name; says which there are.
    """
    if name not in profile_names():
        near = difflib.get_close_matches(name.lower(), profile_names(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"{name!r} is no known profile", f"{hint}there are {', '.join(profile_names())}")
    text = (resources.files("sushi_lg.submission") / "profiles" / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Profile), OmegaConf.create(text))
        profile = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(f"profile {name}: {error}") from error
    assert isinstance(profile, Profile) and set(profile.layouts) <= set(LAYOUTS)
    return profile
