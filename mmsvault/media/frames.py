"""How a film's frame is shown: the shape of its pixels, its turns and flips."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

MOST_UNEQUAL = 100
"""A pixel more unequal than this, in either direction, is taken for a square one."""


def shown_size(frame: Any, pixel_aspect: Fraction) -> tuple[int, int]:
    """Return width and height as a browser shows the frame: with square pixels, and upright.

    A browser makes a frame wider or higher for that, never smaller.
    """
    width, height = stretched(frame.width, frame.height, pixel_aspect)
    return (height, width) if _orientation(frame)[0] else (width, height)


def stretched(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Return the size with square pixels; `pixel_aspect` is a pixel's width in its heights."""
    if pixel_aspect <= 0 or not Fraction(1, MOST_UNEQUAL) <= pixel_aspect <= MOST_UNEQUAL:
        return width, height
    if pixel_aspect >= 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def picture(frame: Any, size: tuple[int, int]) -> Any:
    """Return the frame as RGB pixels (height x width x 3), upright and of that size."""
    width, height = _before_turning(frame, size)
    pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return np.ascontiguousarray(_turned(pixels, _orientation(frame)))


def film(frame: Any, size: tuple[int, int]) -> Any:
    """Return the frame as an encoder takes it: YUV 4:2:0 of the usual range, upright and of that size.

    Width and height are even. Its range of light stays, for a browser to bring onto its screen.
    """
    width, height = _before_turning(frame, size)
    usual = {"dst_color_range": ColorRange.MPEG} if frame.color_range == ColorRange.JPEG else {}
    ready = frame.reformat(width=width, height=height, format="yuv420p", **usual)
    orientation = _orientation(frame)
    if not any(orientation):
        return ready
    flat, luma, chroma = ready.to_ndarray().ravel(), width * height, width * height // 4
    planes = (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(height // 2, width // 2),
        flat[luma + chroma :].reshape(height // 2, width // 2),
    )
    turned = np.concatenate([_turned(plane, orientation).ravel() for plane in planes])
    return av.VideoFrame.from_ndarray(turned.reshape(-1, size[0]), format="yuv420p")


def _before_turning(frame: Any, size: tuple[int, int]) -> tuple[int, int]:
    return (size[1], size[0]) if _orientation(frame)[0] else size


def _turned(pixels: Any, orientation: tuple[bool, bool, bool]) -> Any:
    swapped, mirrored, upside_down = orientation
    turned = pixels.swapaxes(0, 1) if swapped else pixels
    return turned[:: -1 if upside_down else 1, :: -1 if mirrored else 1]


def _orientation(frame: Any) -> tuple[bool, bool, bool]:
    """Return whether rows and columns are swapped, then left and right, then top and bottom.

    Of the matrix (ISO/IEC 14496-12, 6.2.2) only the nearest of the eight ways counts.
    """
    held = frame.side_data.get("DISPLAYMATRIX")
    if held is None:
        return False, False, False
    a, b, _, c, d, *_ = (int(value) for value in np.frombuffer(bytes(held), dtype=np.int32))
    swapped = abs(a) + abs(d) < abs(b) + abs(c)
    return (True, c < 0, b < 0) if swapped else (False, a < 0, d < 0)
