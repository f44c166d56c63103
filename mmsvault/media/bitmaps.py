"""BMP whose pixels are packed by masks of their own, or two bits each; Pillow knows the usual ones only."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_INFO_HEADER, _HEADER_WITH_MASKS, _HEADER_WITH_ALPHA = 40, 52, 56
_BY_MASKS, _BY_MASKS_WITH_ALPHA = 3, 6
_MASKS_AT = 54


def opened(path: Path, *, max_pixels: int) -> Image.Image | None:
    """Return the picture; None for a usual BMP, a damaged one, or one over the limit of pixels."""
    with path.open("rb") as file:
        head = file.read(_MASKS_AT + 16)
        if len(head) < _MASKS_AT + 16:
            return None
        start, size, width, height, _, bits, packing = struct.unpack_from("<IIiiHHI", head, 10)
        if size < _INFO_HEADER or width <= 0 or height == 0 or width * abs(height) > max_pixels:
            return None
        by_masks = packing in (_BY_MASKS, _BY_MASKS_WITH_ALPHA) and bits in (16, 32)
        if not by_masks and (packing, bits) != (0, 2):
            return None
        row_bytes = (width * bits + 31) // 32 * 4
        file.seek(start)
        rows = file.read(row_bytes * abs(height))
        if len(rows) < row_bytes * abs(height):
            return None
        file.seek(14 + size)
        palette = file.read(16)
    grid = np.frombuffer(rows, np.uint8).reshape(abs(height), row_bytes)
    if height > 0:  # the lowest row comes first
        grid = grid[::-1]
    if not by_masks:
        return _by_palette(grid, width, palette)
    return _by_masks(grid, width, bits, _masks(head, size, packing))


def _masks(head: bytes, size: int, packing: int) -> list[int]:
    has_alpha = size >= _HEADER_WITH_ALPHA or (size < _HEADER_WITH_MASKS and packing == _BY_MASKS_WITH_ALPHA)
    return list(struct.unpack_from("<4I" if has_alpha else "<3I", head, _MASKS_AT))


def _by_masks(grid: Any, width: int, bits: int, masks: list[int]) -> Image.Image:
    words = np.ascontiguousarray(grid).view(f"<u{bits // 8}")[:, :width]
    bands = [_band(words, mask) for mask in masks]
    if len(bands) > 3 and not bands[3].any():  # noqa: PLR2004 - no alpha after all
        bands = bands[:3]
    return Image.fromarray(np.dstack(bands))


def _band(words: Any, mask: int) -> Any:
    if not mask:
        return np.zeros(words.shape, np.uint8)
    low = (mask & -mask).bit_length() - 1
    values = (words & words.dtype.type(mask & np.iinfo(words.dtype).max)) >> low
    return (values * (255 / (mask >> low))).round().clip(0, 255).astype(np.uint8)


def _by_palette(grid: Any, width: int, palette: bytes) -> Image.Image:
    parts = [(grid >> shift) & 3 for shift in (6, 4, 2, 0)]
    numbers = np.dstack(parts).reshape(grid.shape[0], -1)[:, :width]
    colours = np.frombuffer(palette.ljust(16, b"\0"), np.uint8).reshape(4, 4)[:, 2::-1]
    return Image.fromarray(np.ascontiguousarray(colours[numbers]))
