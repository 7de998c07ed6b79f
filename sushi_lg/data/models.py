"""Which networks the package knows, where their files are, and that they are the right ones.

One card a network in ``configs/models/<name>.yaml`` says what the file is called, where it comes from, under which
licence, and what it eats. Files are looked for below the folders of ``SUSHI_LG_MODELS``, then in the user's cache.
A file whose SHA-256 is known, from the card or from its first download, is refused when it is another one.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import logging
import os
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any, TypeVar, cast
from urllib.error import URLError
from urllib.parse import urlsplit

import yaml

from sushi_lg.data.files import atomic_path
from sushi_lg.data.resources import configs_path
from sushi_lg.errors import ConfigError, WeightsError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[int, int | None], None]  # bytes received, bytes expected

SEARCH_VARIABLE = "SUSHI_LG_MODELS"
KINDS = ("detector", "embedder")
_SCHEMES = frozenset({"https"})
_TIMEOUT_SECONDS = 30.0
_LARGEST_DOWNLOAD = 4 * 2**30
_BLOCK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class InputSpec:
    """What a network wants to see: ``(pixel - mean) / std`` of a resized picture.

    Attributes:
        size: Height and width in pixels, or None where the file says it.
        colour: ``BGR`` or ``RGB``: order of the channels; mean and std stand in the same order.
        mean: Subtracted from pixels of 0 .. 255.
        std: Divides what is left.
        layout: ``NCHW`` or ``NHWC``.
        fit: ``stretch`` to the size, or ``letterbox``: keep the shape of the picture, put it at the top left, fill up.
        pad: Grey value that fills up a letterbox.
    """

    size: tuple[int, int] | None = None
    colour: str = "BGR"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layout: str = "NCHW"
    fit: str = "stretch"
    pad: int = 114


@dataclass(frozen=True)
class ModelCard:
    """What is known about one network.

    Attributes:
        name: As users write it; the name of the card's file.
        kind: ``detector`` or ``embedder``.
        family: Which code runs it: ``yolox``, ``nanodet``, ``grounding_dino``, ``onnx_reid`` or ``fastreid``.
        file: Name of the weights file, or of the folder that holds a hub model; None for a card that describes
            users' own files and is used as ``<name>=<path>``.
        source: In words, where the weights come from.
        licence: Of the weights.
        input: What goes in; None where another file (a processor) says it.
        url: https address of ``file``, or None.
        sha256: Of ``file`` where somebody hashed it; None leaves it to the first download to record it.
        also: Other names this network goes by as a file, with their SHA-256 or None.
        hub_id: Name on the Hugging Face hub, for what transformers loads.
        classes: Names of a detector's classes in the order of its outputs: ``coco``, or names joined by commas; None
            where any text may be asked for, or where the file has one class.
    """

    name: str
    kind: str
    family: str
    file: str | None
    source: str
    licence: str
    input: InputSpec | None = None
    url: str | None = None
    sha256: str | None = None
    also: dict[str, str | None] = field(default_factory=dict)
    hub_id: str | None = None
    classes: str | None = None

    def hash_of(self, file_name: str) -> str | None:
        """Return the SHA-256 a file of this name has to have, or None where nobody knows."""
        return self.sha256 if file_name == self.file else self.also.get(file_name)

    @property
    def file_names(self) -> tuple[str, ...]:
        """All names the weights go by, the first that of ``url``."""
        return (*((self.file,) if self.file else ()), *self.also)


@dataclass(frozen=True)
class FoundModel:
    """A card and its weights.

    Attributes:
        card: What they are.
        path: File, or folder of a hub model; None for a hub model that lies in no folder of ours and has to be asked
            for by ``card.hub_id``.
        allow_hub: Whether transformers may fetch it from the hub.
    """

    card: ModelCard
    path: Path | None
    allow_hub: bool = False


def find_model(
    name_or_path: str | Path,
    kind: str | None = None,
    *,
    allow_download: bool | None = None,
    recognise: Callable[[Path], str | None] | None = None,
    progress: Progress | None = None,
) -> FoundModel:
    """Return the card and the weights a user means.

    Args:
        name_or_path: Name of a card; or the path of a file that a card knows by hash or by name; or ``NAME=PATH``, a
            file to be read as a card says; or the path of a card of the user's own (``.yaml``), whose file lies beside
            it or on the search path.
        kind: What the card has to be.
        allow_download: None fetches files that have an address in their card, but nothing from the hub; True both;
            False nothing.
        recognise: Asked for the name of a card when no card knows a file; may look into it.
        progress: Called while a file is fetched, see ``download``.

    Raises:
        WeightsError: no such model, no such file, a file with another hash, or a failed download; says what to do.
        ConfigError: a card that is wrong.
    """
    text = str(name_or_path)
    name, equals, own = text.partition("=")
    if equals and name in model_names():
        found = FoundModel(model_card(name), _existing(Path(own).expanduser()))
    elif text in model_names():
        found = _find_named(model_card(text), allow_download, progress)
    else:
        found = _find_path(Path(text).expanduser(), kind, allow_download, recognise, progress)
    if kind is not None and found.card.kind != kind:
        raise WeightsError(
            f"{text}: {found.card.name} is a model of kind {found.card.kind}, needed is a {kind}",
            f"one of: {', '.join(model_names(kind))}",
        )
    return found


def model_names(kind: str | None = None) -> list[str]:
    """Return the names of the cards that come with the package, of one kind or all."""
    names = sorted(path.stem for path in (configs_path() / "models").glob("*.yaml"))
    return names if kind is None else [name for name in names if model_card(name).kind == kind]


@functools.cache
def model_card(name: str) -> ModelCard:
    """Return a card that comes with the package.

    Raises:
        WeightsError: no such card; names the nearest.
        ConfigError: the card is wrong.
    """
    if name not in model_names():
        near = difflib.get_close_matches(name, model_names(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise WeightsError(f"{name}: no such model", f"{hint}models: {', '.join(model_names())}")
    return read_card(configs_path() / "models" / f"{name}.yaml")


def search_folders() -> list[Path]:
    """Return where weights are looked for: the folders of ``SUSHI_LG_MODELS``, then the user's cache.

    Raises:
        WeightsError: the variable names something that is no folder.
    """
    folders = []
    for text in os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep):
        if text.strip():
            folder = Path(text.strip()).expanduser()
            if not folder.is_dir():
                raise WeightsError(f"{SEARCH_VARIABLE} names {folder}, which is no folder", "correct the variable")
            folders.append(folder)
    return [*folders, cache_folder()]


def cache_folder() -> Path:
    """Return the user's folder for downloaded weights, which may not exist yet."""
    stated = os.environ.get("XDG_CACHE_HOME", "")
    if stated and Path(stated).is_absolute():  # the specification says to ignore relative ones
        base = Path(stated)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        base = Path(os.environ["LOCALAPPDATA"])
    else:
        base = Path.home() / ".cache"
    return base / "sushi_lg" / "models"


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; read once a process as long as the file stays as it is."""
    status = Path(path).stat()
    return _file_sha256(str(Path(path).resolve()), status.st_size, status.st_mtime_ns)


def download(card: ModelCard, folder: Path | None = None, *, progress: Progress | None = None) -> Path:
    """Fetch a card's file, check it, and put it into ``folder`` (the user's cache).

    The hash of a file nobody has hashed yet is written beside it, as ``<file>.sha256``, and holds from then on.

    Args:
        card: Has to have a ``url``.
        folder: Where to; made if need be.
        progress: Called with the bytes received and those expected, where the server says.

    Raises:
        WeightsError: no address, no network, a server's refusal, too large, incomplete, or another hash.
    """
    if card.url is None or card.file is None:
        raise WeightsError(f"{card.name}: no address to download {card.file} from", _instruction(card))
    target = (folder or cache_folder()) / card.file
    logger.info("%s: downloading %s to %s", card.name, card.url, target)
    with atomic_path(target) as staged:
        try:
            with _open(card.url) as response, staged.open("wb") as handle:
                digest = _receive(card, response, handle, progress)
        except (OSError, HTTPException, ValueError) as error:  # urllib's own errors are OSErrors
            why = error.reason if type(error) is URLError else error  # it only wraps what the system says
            raise WeightsError(f"{card.name}: {card.url} cannot be fetched ({why})", _instruction(card)) from error
        known = card.sha256 or _recorded_hash(target)
        if known is not None and digest != known:
            raise _other_hash(card, target, known, digest, f"what {card.url} now holds is not what was recorded; ")
    if card.sha256 is None:
        with atomic_path(_lock_path(target)) as staged:
            staged.write_text(f"{digest}  {card.file}\n", encoding="utf-8")  # as sha256sum -c reads it
    return target


def read_card(path: str | Path) -> ModelCard:
    """Read a card; the file's name is the model's.

    Raises:
        ConfigError: not YAML, an unknown or missing key, or a value of the wrong type, by ``file:line``.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: not YAML ({error})", "correct the YAML") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: not a mapping of keys to values", "write lines like 'key: value'")
    reader = _CardReader(path, dict(_lines(path, node, "")))
    card = reader.record(ModelCard, values, "")
    reader.check(card)
    return card


# ------------------------------------------------------------------------------------------------------- looking for


def _find_named(card: ModelCard, allow_download: bool | None, progress: Progress | None) -> FoundModel:
    if card.file is None:
        raise WeightsError(
            f"{card.name}: describes your own files and has none itself", f"write {card.name}=path/to/file.onnx"
        )
    path = _on_search_path(card, search_folders())
    if path is not None:
        return FoundModel(card, path)
    if card.hub_id is not None:
        return FoundModel(card, None, allow_hub=bool(allow_download))
    if card.url is None or allow_download is False:
        why = "" if card.url is None else ", and downloading is switched off"
        raise WeightsError(f"{card.name}: no file {' or '.join(card.file_names)}{why}", _instruction(card))
    return FoundModel(card, download(card, progress=progress))


def _find_path(
    path: Path,
    kind: str | None,
    allow_download: bool | None,
    recognise: Callable[[Path], str | None] | None,
    progress: Progress | None,
) -> FoundModel:
    if path.suffix in (".yaml", ".yml") and path.is_file():
        card = read_card(path)
        beside = _on_search_path(card, [path.parent], deep=False)
        return _find_named(card, allow_download, progress) if beside is None else FoundModel(card, beside)
    if not path.exists():
        names = model_names(kind)
        near = difflib.get_close_matches(str(path), names, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise WeightsError(
            f"{path}: neither a file nor a model's name", f"{hint}models: {', '.join(names)}; or give a path"
        )
    cards = [model_card(name) for name in model_names(kind)]
    if path.is_file():
        by_hash = [card for card in cards if file_sha256(path) in (card.sha256, *card.also.values())]
        if by_hash:
            return FoundModel(by_hash[0], path)
    by_name = [card for card in cards if path.resolve().name in card.file_names]
    if by_name:
        _check_hash(by_name[0], path)
        return FoundModel(by_name[0], path)
    name = recognise(path) if recognise is not None else None
    if name is None:
        raise WeightsError(
            f"{path}: no card knows this file, so how to use it is not known",
            f"name the card it follows, e.g. {(model_names(kind) or ['NAME'])[0]}={path}, or write a card of your own "
            "(a .yaml like those in configs/models) beside it and give that",
        )
    return FoundModel(model_card(name), path)


def _on_search_path(card: ModelCard, folders: list[Path], *, deep: bool = True) -> Path | None:
    """Return the first file of the card with the right hash; a wrong one counts only if no other is right."""
    fault: WeightsError | None = None
    for folder in folders:
        for path in _candidates(folder, card, deep):
            try:
                _check_hash(card, path)
            except WeightsError as error:
                fault = fault or error
                continue
            return path
    if fault is not None:
        raise fault
    return None


def _candidates(folder: Path, card: ModelCard, deep: bool) -> Iterator[Path]:
    names = set(card.file_names)
    for parent, inner, files in os.walk(folder):
        inner.sort()
        if card.hub_id is not None:
            yield from (Path(parent, n) for n in inner if n in names and Path(parent, n, "config.json").is_file())
        else:
            yield from (Path(parent, n) for n in sorted(files) if n in names)
        if not deep:
            return


def _existing(path: Path) -> Path:
    if not path.exists():
        raise WeightsError(f"{path}: no such file", "check the path")
    return path


def _check_hash(card: ModelCard, path: Path) -> None:
    known = card.hash_of(path.name) or _recorded_hash(path)
    if known is None or path.is_dir():
        return
    digest = file_sha256(path)
    if digest != known:
        raise _other_hash(card, path, known, digest)


def _recorded_hash(path: Path) -> str | None:
    """Return the hash recorded when the file was first downloaded."""
    lock = _lock_path(path)
    if not lock.is_file():
        return None
    words = lock.read_text(encoding="utf-8", errors="replace").split()
    if not words or not _SHA256.fullmatch(words[0]):
        raise WeightsError(f"{lock}:1: no SHA-256", "delete it and the file it is about; both are then fetched again")
    return words[0]


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _other_hash(card: ModelCard, path: Path, known: str, digest: str, why: str = "") -> WeightsError:
    return WeightsError(
        f"{path}: SHA-256 is {digest}, of {card.name} it is {known}",
        f"{why}delete {path} (and {_lock_path(path).name} beside it, if there is one) and fetch it again; "
        f"if it is a network of your own, write {card.name}=PATH after giving it another name",
    )


def _instruction(card: ModelCard) -> str:
    """Say which file, from where, and where to put it."""
    origin = f"get it from {card.url}" if card.url else f"source: {card.source}"
    return (
        f"{origin}; put {card.file} into {cache_folder()}, or anywhere below a folder that the environment variable "
        f"{SEARCH_VARIABLE} names"
    )


@functools.lru_cache(maxsize=256)
def _file_sha256(path: str, size: int, changed: int) -> str:
    del size, changed  # part of the key: a file written anew is read anew
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# ------------------------------------------------------------------------------------------------------- downloading


class _SameSchemes(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str) -> HTTPResponse:
    _check_scheme(url)
    request = urllib.request.Request(url, headers={"User-Agent": "sushi-lg"})
    response = urllib.request.build_opener(_SameSchemes).open(request, timeout=_TIMEOUT_SECONDS)
    return cast(HTTPResponse, response)


def _check_scheme(url: str) -> None:
    if urlsplit(url).scheme not in _SCHEMES:
        raise ValueError(f"{url} is not https")


def _receive(card: ModelCard, response: HTTPResponse, handle: IO[bytes], progress: Progress | None) -> str:
    """Copy the answer to ``handle`` and return its SHA-256."""
    length = response.headers.get("Content-Length")
    expected = int(length) if length is not None else None
    received, digest = 0, hashlib.sha256()
    while block := response.read(_BLOCK):
        received += len(block)
        if received > _LARGEST_DOWNLOAD:
            raise ValueError(f"larger than {_LARGEST_DOWNLOAD} bytes")
        digest.update(block)
        handle.write(block)
        if progress is not None:
            progress(received, expected)
    if expected is not None and received != expected:
        raise ValueError(f"broke off after {received} of {expected} bytes")
    return digest.hexdigest()


# ----------------------------------------------------------------------------------------------------- reading cards


@dataclass(frozen=True)
class _CardReader:
    path: Path
    lines: Mapping[str, int]

    def record(self, schema: type[T], values: Mapping[object, object], prefix: str) -> T:
        known = {f.name: f for f in fields(cast(Any, schema))}
        found: dict[str, Any] = {}
        for key, value in values.items():
            full = f"{prefix}{key}"
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
                raise self.error(
                    full, "unknown key", f"did you mean {near[0]}?" if near else f"keys: {', '.join(known)}"
                )
            found[key] = self.value(str(known[key].type), value, full)
        if schema is ModelCard and found.setdefault("name", self.path.stem) != self.path.stem:
            raise self.error("name", f"{found['name']!r} is not the name of the file", f"write {self.path.stem}")
        required = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
        missing = [name for name in required if name not in found]
        if missing:
            raise ConfigError(f"{self.path}: no {', '.join(missing)}", f"write '{missing[0]}: ...'")
        return schema(**found)

    def value(self, kind: str, value: object, full: str) -> object:
        if kind.endswith(" | None") and value is None:
            return None
        kind = kind.removesuffix(" | None")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if kind == "InputSpec" and isinstance(value, dict):
            return self.record(InputSpec, value, f"{full}.")
        if kind == "str" and isinstance(value, str) and value.strip():
            return value.strip()
        if kind == "int" and number and isinstance(value, int):
            return value
        if kind.startswith("tuple[") and isinstance(value, list) and len(value) == kind.count(",") + 1:
            whole = "int" in kind
            if all(isinstance(x, int if whole else int | float) and not isinstance(x, bool) for x in value):
                return tuple(value) if whole else tuple(float(x) for x in value)
        if kind.startswith("dict[") and isinstance(value, dict) and all(isinstance(key, str) for key in value):
            if all(isinstance(one, str | None) for one in value.values()):
                return dict(value)
        raise self.error(full, f"{value!r} is not of type {kind}")

    def check(self, card: ModelCard) -> None:
        """Check rules across fields and choices."""
        self.choice("kind", card.kind, KINDS)
        if card.url is not None and urlsplit(card.url).scheme != "https":
            raise self.error("url", f"{card.url!r} is not an https address")
        for key, digest in [("sha256", card.sha256), *((f"also.{name}", digest) for name, digest in card.also.items())]:
            if digest is not None and not _SHA256.fullmatch(digest):
                raise self.error(key, f"{digest!r} is not 64 hexadecimal digits in lower case")
        for name in card.file_names:
            if Path(name).name != name or name in (".", "..") or "\\" in name:
                raise self.error("file", f"{name!r} is not the plain name of a file")
        if card.input is not None:
            self.choice("input.colour", card.input.colour, ("BGR", "RGB"))
            self.choice("input.layout", card.input.layout, ("NCHW", "NHWC"))
            self.choice("input.fit", card.input.fit, ("stretch", "letterbox"))
            if min(card.input.size or (1,)) < 1:
                raise self.error("input.size", f"{card.input.size} is not positive")
            if min(card.input.std) <= 0:
                raise self.error("input.std", f"{card.input.std} is not positive")

    def choice(self, full: str, value: str, choices: tuple[str, ...]) -> None:
        if value not in choices:
            raise self.error(full, f"{value!r} is none of {', '.join(choices)}")

    def error(self, full: str, fault: str, remedy: str | None = None) -> ConfigError:
        return ConfigError(f"{self.path}:{self.lines.get(full, 1)}: {full}: {fault}", remedy)


def _lines(path: Path, node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield the line of each full key, from 1.

    Raises:
        ConfigError: a key that occurs twice, which YAML itself lets pass.
    """
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            raise ConfigError(f"{path}:{line}: {prefix}{key.value}: given twice", "keep one of the two")
        seen.add(key.value)
        yield f"{prefix}{key.value}", line
        yield from _lines(path, value, f"{prefix}{key.value}.")
