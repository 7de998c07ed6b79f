"""Width and height of a JPEG or PNG from its first bytes: no picture library, no decoding."""

from __future__ import annotations

import struct
from pathlib import Path

from sushi_lg.errors import DataError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png")
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
_HEADER_BYTES = 1 << 18  # thumbnails and colour profiles come before the size, but not more than this


def image_size(path: str | Path) -> tuple[int, int]:
    """Return (width, height) in pixels.

    Raises:
        DataError: missing, empty or damaged file, or neither JPEG nor PNG.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(24)
            if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) == 24:
                width, height = struct.unpack(">II", head[16:24])
                return int(width), int(height)
            if head.startswith(b"\xff\xd8"):
                stream.seek(2)
                size = _jpeg_size(stream.read(_HEADER_BYTES))
                if size is not None:
                    return size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", "copy the picture again") from error
    raise DataError(f"{path}: not a readable JPEG or PNG ({path.stat().st_size} bytes)", "copy the picture again")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 0
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _JPEG_BARE_MARKERS:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _JPEG_FRAME_MARKERS:
            if position + 9 > len(data):
                return None
            height, width = struct.unpack_from(">HH", data, position + 5)
            return int(width), int(height)
        position += 2 + length
    return None
