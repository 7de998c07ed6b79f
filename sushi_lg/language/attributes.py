"""Describers: from the views of a person to what can be said about them.

A describer is anything with a name, a fingerprint and ``describe``; ``load_describer`` finds one by name, and a package
that has another one (a multimodal model, say) adds it with ``register_describer``. The two that are here vote over
views and leave out what is not clear, instead of guessing.

Shapes: V views of a person, C = len(colours.NAMES).
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.models import file_sha256, search_folders
from sushi_lg.data.plugins import Finish, as_text, is_plugin, load_plugin
from sushi_lg.errors import ConfigError, WeightsError
from sushi_lg.language.colours import balance, colour_shares, person_weight, say_colour, vote
from sushi_lg.language.descriptions import Description
from sushi_lg.language.english import article, listed

if TYPE_CHECKING:
    from sushi_lg.language.views import PersonViews, Picture

RULES = "rules"
OPENVINO = "openvino"
OPENVINO_FILE = "person-attributes-recognition-crossroad-0230.xml"

_RULE_SIZE = (48, 96)  # columns, rows: enough for two areas of cloth, and GrabCut takes 10 ms
_UPPER_ROWS, _LOWER_ROWS = (0.17, 0.47), (0.52, 0.82)  # shares of the height of a standing person


class Describer(Protocol):
    """Says what it sees in the views of a person.

    Attributes:
        name: What ``--describer`` calls it.
    """

    name: str

    def fingerprint(self) -> str:
        """Return a digest of everything a description depends on, apart from the views."""

    def describe(self, person: PersonViews) -> Description | None:
        """Return the description of a person, or None where nothing can be said.

        The caller fills in data set, split, digest and, where there are attributes, the discriminability.
        """


def load_describer(name: str, *, weights: str | Path | None = None) -> Describer:
    """Return a describer ready to work.

    Args:
        name: One of ``describer_names``, or ``FILE.py:NAME`` or ``package.module:NAME`` of the user's own, see
            ``sushi_lg.data.plugins``.
        weights: Its file; found by name below the folders of ``SUSHI_LG_MODELS`` when left out.

    Raises:
        ConfigError: no such describer; says which there are. Weights for one that has none.
        WeightsError: its weights or the package that runs them are absent.
    """
    if is_plugin(name):
        given = {} if weights is None else {"weights": weights}
        own: Describer = load_plugin(name, "describer", ("name",), {}, given, _METHODS)
        return own
    if name not in _DESCRIBERS:
        near = difflib.get_close_matches(name, _DESCRIBERS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no describer {name!r}", f"{hint}there are {', '.join(describer_names())}")
    return _DESCRIBERS[name](weights)


def describer_names() -> list[str]:
    """Return the names ``load_describer`` knows."""
    return sorted(_DESCRIBERS)


def register_describer(name: str, load: Callable[[str | Path | None], Describer]) -> None:
    """Make a describer known.

    Args:
        name: What ``--describer`` calls it.
        load: Takes the file of its weights, or None, and returns it.

    Raises:
        ValueError: the name is taken.
    """
    if name in _DESCRIBERS:
        raise ValueError(f"there is a describer {name} already")
    _DESCRIBERS[name] = load


def sentence_of(attributes: Mapping[str, str]) -> str:
    """Return attributes of a person as one sentence; what is absent is not mentioned.

    Args:
        attributes: ``sex`` (male, female), ``hair`` (long, short), ``upper`` and ``lower`` (a colour), ``legs`` (long,
            short: what the lower garment covers), ``carried`` and ``accessory`` (a thing, without article), ``shoes``
            (a colour); others are not said.
    """
    words = {"male": "A man", "female": "A woman"}.get(attributes.get("sex", ""), "A person")
    if "hair" in attributes:
        words += f" with {attributes['hair']} hair"
    garment = {"long": "trousers", "short": "shorts or a skirt"}.get(attributes.get("legs", ""), "bottoms")
    worn = [f"{article(attributes['upper'])} {attributes['upper']} top"] if "upper" in attributes else []
    if "lower" in attributes:
        worn.append(f"{attributes['lower']} {garment}")
    elif "legs" in attributes:
        worn.append("long trousers" if attributes["legs"] == "long" else garment)
    if "shoes" in attributes:
        worn.append(f"{attributes['shoes']} shoes")
    if "accessory" in attributes:
        worn.append(f"{article(attributes['accessory'])} {attributes['accessory']}")
    comma = "," if "hair" in attributes and worn else ""
    if worn:
        words += f"{comma} wearing {listed(worn)}"
    if "carried" in attributes:
        words += f", carrying {article(attributes['carried'])} {attributes['carried']}"
    return words + "."


class RuleDescriber:
    """Colours of the clothes, from where clothes are on a standing person; needs no weights."""

    name = RULES

    def fingerprint(self) -> str:
        """Return a digest of the method."""
        return hashlib.sha256(repr(("rules 1", _RULE_SIZE, _UPPER_ROWS, _LOWER_ROWS)).encode()).hexdigest()

    def describe(self, person: PersonViews) -> Description | None:
        """Return the description of a person; None without views or where no colour is clear."""
        shares = [_clothes(balance(view.picture, person.gain)) for view in person.views]
        return _description(person, _colours(person, shares), {"attributes": "colour rules"})


class OpenVinoDescriber:
    """What the network person-attributes-recognition-crossroad-0230 of Open Model Zoo sees, through OpenVINO.

    It takes a crop of 80 x 160 pixels and returns eight probabilities and a point on the upper and on the lower
    clothes. Of the eight, four are reliable enough to be said (sex, long hair, long trousers, backpack); the
    colours are named at the points.

    Args:
        weights: The .xml file, with its .bin beside it.
    """

    name = OPENVINO

    def __init__(self, weights: str | Path | None = None) -> None:
        try:
            import openvino
        except ImportError:
            raise WeightsError(
                "describer openvino needs the package openvino, which is not installed",
                "pip install 'sushi-lg[attributes]', or --describer rules, which needs nothing",
            ) from None
        path = _find_weights(weights)
        core = openvino.Core()
        try:
            model = core.read_model(path)
            # one stream, one thread: a person has few views, and results must not depend on the machine
            self._network = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1})
            outputs = [self._network.output(name) for name in _OUTPUTS]
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise WeightsError(f"{path}: not the network {OPENVINO_FILE} ({reason})", "download it again") from error
        self._outputs = outputs
        self._digest = file_sha256(path) + file_sha256(path.with_suffix(".bin"))

    def fingerprint(self) -> str:
        """Return a digest of weights and method."""
        return hashlib.sha256(f"openvino 1 {self._digest}".encode()).hexdigest()

    def describe(self, person: PersonViews) -> Description | None:
        """Return the description of a person; None without views or where nothing is clear."""
        if not person.views:
            return None
        seen = [self._look(view.picture, person.gain) for view in person.views]
        weight = np.array([view.quality for view in person.views])
        probability = np.stack([one for one, _ in seen])  # (V, 8)
        attributes = {}
        for row, key, (yes, yes_above), (no, no_below) in _SAID:
            clear = clear_side(probability[:, row], weight, yes_above, no_below)
            if clear is not None:
                attributes[key] = yes if clear else no
        attributes |= _colours(person, [shares for _, shares in seen])
        models = {"attributes": f"{OPENVINO_FILE.removesuffix('.xml')} {self._digest[:12]}"}
        return _description(person, attributes, models)

    def _look(
        self, picture: Picture, gain: tuple[float, float, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (8,) probabilities and (2, C) shares of colours at the two points."""
        columns, rows = _CROP
        crop = cv2.resize(picture, _CROP, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        answer = self._network(crop.astype(np.float32).transpose(2, 0, 1)[None])
        probability, *points = [np.asarray(answer[output], np.float64).ravel() for output in self._outputs]
        y, x = np.mgrid[:rows, :columns] + 0.5
        lit = balance(crop, gain)
        shares = []
        for across, down in points:
            distance = np.hypot(x - across * columns, y - down * rows)
            shares.append(colour_shares(lit, np.exp(-0.5 * (distance / _POINT_REACH) ** 2)))
        return probability, np.stack(shares)


def clear_side(
    probability: NDArray[np.floating], weight: NDArray[np.floating], yes_above: float, no_below: float
) -> bool | None:
    """Return what views agree on, or None where they do not.

    Args:
        probability: (V,) of yes, by view.
        weight: (V,) above 0.
        yes_above: A mean of at least this is a yes.
        no_below: A mean of at most this is a no.

    Returns:
        True or False where the mean says so and at least 7 in 10 views (by weight) are on that side of a half.
    """
    mean = float(np.average(probability, weights=weight))
    agree = float(np.average((probability > 0.5) == (mean > 0.5), weights=weight))
    if agree < _AGREE or no_below < mean < yes_above:
        return None
    return mean >= yes_above


def discriminability(attributes: Mapping[str, str], others: list[Mapping[str, str]]) -> float:
    """Return the share of other people whom these attributes do not fit; 1 with nobody else.

    They fit whoever has no attribute with another value; what is not known of somebody fits everything.
    """
    apart = [any(key in other and other[key] != value for key, value in attributes.items()) for other in others]
    return sum(apart) / len(apart) if apart else 1.0


def _clothes(picture: Picture) -> NDArray[np.float64]:
    """Return (2, C) shares of colours of the upper and of the lower clothes."""
    small = cv2.resize(picture, _RULE_SIZE, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    weight = person_weight(small)
    parts = [slice(*(round(share * _RULE_SIZE[1]) for share in rows)) for rows in (_UPPER_ROWS, _LOWER_ROWS)]
    return np.stack([colour_shares(small[part], weight[part]) for part in parts])


def _colours(person: PersonViews, shares: list[NDArray[np.float64]]) -> dict[str, str]:
    """Return what V times (2, C) shares agree on."""
    if not shares:
        return {}
    weight = np.array([view.quality for view in person.views])
    stacked = np.stack(shares)  # (V, 2, C)
    words = {key: say_colour(vote(stacked[:, part], weight)) for part, key in enumerate(("upper", "lower"))}
    return {key: word for key, word in words.items() if word is not None}


def _description(person: PersonViews, attributes: dict[str, str], models: dict[str, str]) -> Description | None:
    if not attributes:
        return None
    return Description(
        seq=person.sequence,
        track_id=person.track_id,
        sentence=sentence_of(attributes),
        attributes=attributes,
        keyframes=tuple(view.frame for view in person.views),
        models=models,
    )


def _as_description(_: Describer, result: Description | None, person: PersonViews) -> Description | None:
    """Return what a describer of the user's own said.

    Raises:
        ValueError: no Description, or one of somebody else.
    """
    if result is None:
        return None
    if not isinstance(result, Description):
        raise ValueError(f"it returned a {type(result).__name__}, not a Description or None")
    if result.track_id != person.track_id:
        raise ValueError(f"asked about {person.track_id}, it returned a Description of {result.track_id}")
    return result


def _find_weights(weights: str | Path | None) -> Path:
    """Return the .xml file, its .bin beside it."""
    if weights is not None:
        path = Path(weights).expanduser()
        if path.is_dir():
            path = path / OPENVINO_FILE
    else:
        found = (path for folder in search_folders() if folder.is_dir() for path in sorted(folder.rglob(OPENVINO_FILE)))
        path = next(found, Path(OPENVINO_FILE))
    remedy = (
        f"get {OPENVINO_FILE} and .bin from Open Model Zoo (open_model_zoo on GitHub, models/intel, FP32) and name the "
        "file with weights=FILE.xml, or put both below a folder of SUSHI_LG_MODELS; or take --describer rules"
    )
    for file in (path, path.with_suffix(".bin")):
        if not file.is_file():
            where = "no such file" if weights is not None else "not below the folders of SUSHI_LG_MODELS"
            raise WeightsError(f"{file}: {where}", remedy)
    return path


_CROP = (80, 160)  # columns, rows
_POINT_REACH = 4.0  # pixels of the crop around a point whose colours count
_OUTPUTS = ("453", "456", "459")  # probabilities; a point on the upper, one on the lower clothes, as shares x, y
_AGREE = 0.7
# Row of the probabilities, attribute, what to say from which mean on, and what to say up to which. The limits are those
# where PETS09-S2L1, TUD and MOT17-09 showed no mistake more, or few: who wears shorts there has at most 0.03, who seems
# to and does not has from 0.14 on. That no backpack is seen is never said. The rows left out (bag, hat, long sleeves,
# coat) are wrong too often.
_SAID = (
    (0, "sex", ("male", 0.75), ("female", 0.25)),
    (6, "hair", ("long", 0.65), ("short", 0.25)),
    (5, "legs", ("long", 0.65), ("short", 0.1)),
    (2, "carried", ("backpack", 0.85), ("", -1.0)),
)
_METHODS: dict[str, Finish | None] = {
    "fingerprint": as_text,
    "describe": _as_description,
}  # of a describer of the user's own
_DESCRIBERS: dict[str, Callable[[Any], Describer]] = {RULES: lambda _: RuleDescriber(), OPENVINO: OpenVinoDescriber}
