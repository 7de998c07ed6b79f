"""Names of colours, by rule in CIE Lab, and where clothes are in a picture of a person.

The twelve names are the eleven basic colour terms of English (Berlin and Kay, 1969) and beige. A pixel gets its name
from lightness, chroma and hue; an area gets the share of each name. What people call one colour is often spread over
two names next to each other (dark jeans over black and blue), so a vote joins neighbours into one word, names two that
are far apart (a red and blue jacket), and says nothing where that is not enough.

Shapes: h rows and w columns of a crop; C = len(NAMES).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige")

# CIE L* in 0 .. 100, chroma sqrt(a*^2 + b*^2), hue in degrees from red (a*) towards yellow (b*)
_BLACK_BELOW, _WHITE_ABOVE = 24.0, 70.0
_GREY_CHROMA = 9.0
_GREY_CHROMA_BLUE = 6.0  # jeans are less colourful than they are called
_DIM = 14.0  # below this lightness hue is noise of the sensor and of the compression

_GAMMA = 2.2
_OUTSIDE = 0.2  # what GrabCut calls background still counts for this: it is wrong about one leg in ten

_AGREE = 0.5  # of a view with the mean, on average; on PETS09-S2L1, TUD and MOT17-09 nobody has less
_CLEAR_SHARE = 0.5
_CLEAR_MARGIN = 0.15
_PAIR_SHARE = 0.7
_LEAST_OF_PAIR = 0.22
_NEIGHBOURS = {
    frozenset(pair): word
    for *pair, word in (
        ("black", "blue", "dark blue"),
        ("black", "grey", "dark grey"),
        ("black", "brown", "dark brown"),
        ("black", "green", "dark green"),
        ("black", "purple", "dark purple"),
        ("grey", "white", "light grey"),
        ("grey", "blue", "greyish blue"),
        ("grey", "brown", "greyish brown"),
        ("grey", "green", "greyish green"),
        ("grey", "beige", "beige"),
        ("white", "blue", "light blue"),
        ("white", "beige", "cream"),
        ("white", "pink", "light pink"),
        ("white", "yellow", "light yellow"),
        ("white", "green", "light green"),
        ("brown", "beige", "light brown"),
        ("brown", "orange", "brown"),
        ("brown", "red", "reddish brown"),
        ("brown", "green", "olive"),
        ("beige", "yellow", "beige"),
        ("beige", "pink", "light pink"),
        ("red", "pink", "red"),
        ("red", "orange", "red"),
        ("red", "purple", "purplish red"),
        ("pink", "purple", "pink"),
        ("orange", "yellow", "orange"),
        ("blue", "purple", "purplish blue"),
        ("blue", "green", "bluish green"),
        ("yellow", "green", "yellowish green"),
    )
}


def name_pixels(bgr: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the number in ``NAMES`` of each pixel of (h, w, 3) uint8, blue first; (h, w) int64."""
    lab = cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
    light, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    grey_below = np.where((hue >= 230) & (hue < 300), _GREY_CHROMA_BLUE, _GREY_CHROMA)
    plain = (chroma < grey_below) | (light < _DIM) | ((light > 92) & (chroma < 2 * _GREY_CHROMA))
    dark, pale = light < _BLACK_BELOW, light > _WHITE_ABOVE
    warm = (hue >= 40) & (hue < 105)
    reddish = (hue >= 345) | (hue < 40)
    rules = (
        (plain & dark, "black"),
        (plain & pale, "white"),
        (plain, "grey"),
        (reddish & (light > 58) & (chroma < 55), "pink"),
        (reddish & (chroma < 22), "brown"),  # skin in shadow, leather, wood
        (reddish, "red"),
        ((hue >= 40) & (hue < 72) & (chroma > 48) & (light > 42), "orange"),
        ((hue >= 72) & (hue < 108) & (chroma > 42) & (light > 50), "yellow"),
        (warm & (light > 56), "beige"),
        (warm & (hue < 95), "brown"),
        ((hue >= 95) & (hue < 190), "green"),
        ((hue >= 190) & (hue < 300), "blue"),
        ((hue >= 300) & (hue < 345) & (light > 58), "pink"),
        (hue >= 300, "purple"),
    )
    return np.select([rule for rule, _ in rules], [NAMES.index(name) for _, name in rules])


def colour_shares(bgr: NDArray[np.uint8], weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (C,) the share of each colour among pixels.

    Args:
        bgr: (h, w, 3) uint8.
        weight: (h, w), at least 0: how much a pixel counts. Nothing anywhere gives zeros.
    """
    found = np.bincount(name_pixels(bgr).ravel(), weight.ravel(), minlength=len(NAMES))
    return found / max(float(found.sum()), np.finfo(np.float64).tiny)


def say_colour(shares: NDArray[np.floating]) -> str | None:
    """Return the word for (C,) shares that add up to 1, or None where no word is clear."""
    first, second, third = (int(one) for one in np.argsort(-shares, kind="stable")[:3])
    joined = _joined(first, second)
    both, all_three = float(shares[first] + shares[second]), float(shares[[first, second, third]].sum())
    lead, gap = float(shares[first] - shares[second]), float(shares[second] - shares[third])
    two = float(shares[second]) >= _LEAST_OF_PAIR
    if joined and two and both >= _PAIR_SHARE:
        return joined
    if (lead >= _CLEAR_MARGIN and shares[first] >= _CLEAR_SHARE) or (lead >= 0.22 and shares[first] >= 0.4):
        return NAMES[first]
    if joined and both >= _CLEAR_SHARE and gap >= _CLEAR_MARGIN / 2:
        return joined
    if not joined and two and both >= _PAIR_SHARE:
        return f"{NAMES[first]} and {NAMES[second]}"
    if all_three < _PAIR_SHARE + 0.05:
        return None
    if joined:  # three shades of one thing, such as jeans in black, blue and grey
        return joined if _joined(first, third) and _joined(second, third) else None
    # one colour in two shades beside another one
    if two and _joined(first, third):
        return f"{_joined(first, third)} and {NAMES[second]}"
    return f"{NAMES[first]} and {_joined(second, third)}" if _joined(second, third) else None


def _joined(one: int, other: int) -> str | None:
    return _NEIGHBOURS.get(frozenset((NAMES[one], NAMES[other])))


def balance(picture: NDArray[np.uint8], gain: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Return (h, w, 3) uint8 as it would look in another light: each channel's linear light times its gain."""
    if gain == (1.0, 1.0, 1.0):
        return picture
    levels = (np.arange(256) / 255) ** _GAMMA
    table = np.clip(levels[:, None] * np.array(gain), 0, 1) ** (1 / _GAMMA) * 255
    balanced = cv2.LUT(picture, np.rint(table).astype(np.uint8)[None])
    return balanced.astype(np.uint8, copy=False)


def person_weight(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return (h, w) in 0 .. 1: how sure a pixel is the person whom a crop shows.

    A standing person fills the middle of the box. From there GrabCut (Rother et al., SIGGRAPH 2004) separates colours
    of the middle from those of the sides; where it finds next to nobody or everything, the middle alone remains.

    Args:
        picture: (h, w, 3) uint8, the box of a person.
    """
    rows, columns = picture.shape[:2]
    y = (np.arange(rows) + 0.5)[:, None] / rows
    x = (np.arange(columns) + 0.5)[None, :] / columns
    middle: NDArray[np.float64] = np.exp(-0.5 * ((x - 0.5) / 0.17) ** 2) * np.ones_like(y)
    mask = np.full((rows, columns), cv2.GC_PR_BGD, np.uint8)
    mask[(np.abs(x - 0.5) < 0.25) & (y > 0.06) & (y < 0.94)] = cv2.GC_PR_FGD
    mask[(np.abs(x - 0.5) < 0.08) & (y > 0.2) & (y < 0.5)] = cv2.GC_FGD
    mask[np.broadcast_to(np.abs(x - 0.5) > 0.46, mask.shape)] = cv2.GC_BGD
    if rows < 16 or columns < 8 or len(np.unique(mask)) < 4:
        return middle
    cv2.setRNGSeed(0)  # its mixtures start from k-means with random centres
    # the rectangle is not looked at when there is a mask
    cv2.grabCut(picture, mask, (0, 0, columns, rows), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    person = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    if not 0.15 < person.mean() < 0.85:
        return middle
    return np.asarray(middle * np.where(person, 1.0, _OUTSIDE))


def vote(shares: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (C,) the mean of (V, C) shares of views, without the quarter of them that differs most from the rest.

    Args:
        shares: One row a view; rows of zeros, where nothing was to be seen, do not count.
        weight: (V,) above 0.

    Returns:
        Shares that add up to 1; zeros where there is nothing, or where views do not show one thing: a mean of red and
        of green views is nobody's coat.
    """
    kept = shares.sum(axis=1) > 0
    if not kept.any():
        return np.zeros(shares.shape[1])
    shares, weight = shares[kept], weight[kept]
    # somebody or something in front spoils a view, and shows as colours that no other view has
    order = np.argsort(np.abs(shares - np.median(shares, axis=0)).sum(axis=1), kind="stable")
    order = order[: len(order) - len(order) // 4]
    shares, weight = shares[order], weight[order]
    mean = np.average(shares, axis=0, weights=weight)
    overlap = np.average(np.minimum(shares, mean).sum(axis=1), weights=weight)
    return np.asarray(mean / mean.sum()) if overlap >= _AGREE else np.zeros_like(mean)
