"""What pages share that carry everything inside: templates, colours of identities in CSS, parts of pictures as text.

Shapes: B boxes, H and W height and width of a picture.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.inspection.overlay import identity_colour

_QUALITY = 82  # of JPEG


def page_template(package: str, name: str, **filters: Callable[[int], object]) -> jinja2.Template:
    """Return the template of a page, which escapes everything and refuses names that it was not given.

    Args:
        package: that has it in its folder ``html``.
        name: of the file.
        filters: that it uses beside those of jinja.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name)


def css_colour(track_id: int) -> str:
    """Return the colour of an identity as the overlay draws it; black is read well on all of them."""
    blue, green, red = identity_colour(track_id)
    return f"rgb({red} {green} {blue})"


def region_around(
    boxes_ltwh: NDArray[np.float64], size: tuple[int, int], margin: float, shape: float | None = None
) -> tuple[int, int, int, int]:
    """Return left, top, width, height in whole pixels of the part of a picture around boxes, at least 2 x 2 of them.

    Args:
        boxes_ltwh: (B, 4), at least one; they may leave the picture.
        size: width and height of the picture.
        margin: added on every side, as a share of the longer side of what the boxes cover.
        shape: width by height; the part is made larger to have it, as far as the picture reaches. None = as it comes.
    """
    low, high = boxes_ltwh[:, :2].min(axis=0), (boxes_ltwh[:, :2] + boxes_ltwh[:, 2:]).max(axis=0)
    wide = np.full(2, margin * (high - low).max())
    whole = np.array(size)
    if shape is not None:
        width, height = high - low + 2 * wide
        wide += np.array([max(shape * height - width, 0), max(width / shape - height, 0)]) / 2
        # at a border the part moves inwards
        shift = np.maximum(-(low - wide), 0) - np.maximum(high + wide - whole, 0)
        low, high = low + shift, high + shift
    left, top = np.clip(np.floor(low - wide), 0, whole - 2).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + wide), [left + 2, top + 2], whole).astype(int).tolist()
    return left, top, right - left, bottom - top


def at_height(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """Return a picture at the given height, its shape kept."""
    factor = height / picture.shape[0]
    shape = (max(round(picture.shape[1] * factor), 1), height)
    return np.asarray(
        cv2.resize(picture, shape, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC), dtype=np.uint8
    )


def data_url(picture: NDArray[np.uint8]) -> str:
    """Return a (H, W, 3) picture, blue first, as the text of a JPEG inside a page."""
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
