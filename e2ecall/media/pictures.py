"""Pictures as numpy arrays: PNG in and out, a 5x7 pixel font, scaling, and the peak signal-to-noise ratio.

A colour picture is `uint8[height, width, 3]` in RGB order, a grey one `uint8[height, width]`.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Literal

import av
import av.error
import numpy as np
import numpy.typing as npt

from e2ecall.errors import ApiMisuse, MediaUnavailable, OutputFailed

__all__ = [
    "GLYPH_HEIGHT",
    "GLYPH_WIDTH",
    "Image",
    "Mask",
    "draw_text",
    "even",
    "fit",
    "fit_frame",
    "luma",
    "png_bytes",
    "psnr",
    "read_png",
    "rgb",
    "scale",
    "text_mask",
    "text_width",
    "write_png",
]

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Colour = tuple[int, int, int] | int

GLYPH_WIDTH = 6  # five pixels and one of space
GLYPH_HEIGHT = 7

# Seven characters a glyph, one a row, each a base-32 digit whose five bits are the pixels from left to right.
_ASCII = (
    "0000000 4444404 aaa0000 aavavaa 4fke5u4 op248j3 cik8lid 4480000 2488842 8422248 04lel40 044v440 0000c48 000e000 "
    "00000cc 01248g0 ehjlphe 4c4444e eh168gv eh161he 26aiv22 vgu11he 68guhhe v124888 ehhehhe ehhf12c 0cc0cc0 0cc0c48 "
    "248g842 00v0v00 8421248 eh12404 ehnlnge ehhvhhh uhhuhhu ehggghe uhhhhhu vgguggv vgguggg ehgnhhf hhhvhhh e44444e "
    "72222ic hikokih ggggggv hrllhhh hhpljhh ehhhhhe uhhuggg ehhhlid uhhukih fgge11u v444444 hhhhhhe hhhhha4 hhhllla "
    "hha4ahh hha4444 v1248gv e88888e 0g84210 e22222e 4ah0000 000000v 8420000 00e1fhf gguhhhu 00egghe 11fhhhf 00ehvge "
    "698s888 0fhhf1e gguhhhh 40c444e 20622ic ggikoki c44444e 00qllhh 00uhhhh 00ehhhe 00uhugg 00fhf11 00mpggg 00fge1u "
    "88s8896 00hhhjd 00hhha4 00hhlla 00ha4ah 00hhf1e 00v248v 2448442 4444444 8442448 008l200"
)
_OTHERS = {"·": "000cc00", "…": "000000l", "–": "000v000", "→": "042v240", "×": "0ha4ah0", "±": "44v440v"}
_UNKNOWN = "vhhhhhv"


def _glyph(rows: str) -> Mask:
    bits = [[int(row, 32) >> (4 - x) & 1 for x in range(5)] + [0] for row in rows]
    return np.array(bits, np.bool_)


_BOX = _glyph(_UNKNOWN)
_GLYPHS = {chr(32 + i): _glyph(rows) for i, rows in enumerate(_ASCII.split())}
_GLYPHS |= {character: _glyph(rows) for character, rows in _OTHERS.items()}


def text_mask(text: str, size: int = 1) -> Mask:
    """The pixels of one line of text, `bool[7 * size, 6 * size * len(text)]`; an unknown character is a box."""
    if not text:
        return np.zeros((GLYPH_HEIGHT * size, 0), np.bool_)
    mask = np.hstack([_GLYPHS.get(character, _BOX) for character in text])
    return mask if size == 1 else np.repeat(np.repeat(mask, size, axis=0), size, axis=1)


def text_width(text: str, size: int = 1) -> int:
    """The width of a line in pixels, without the space after its last character."""
    return max(0, (GLYPH_WIDTH * len(text) - 1) * size)


def draw_text(image: Image, x: int, y: int, text: str, colour: Colour, size: int = 1) -> None:
    """Write a line into `image` in place, its top left corner at (x, y); what lies outside is cut off."""
    mask = text_mask(text, size)
    top, left = max(0, -y), max(0, -x)
    target = image[max(0, y) :, max(0, x) :]
    height, width = min(target.shape[0], mask.shape[0] - top), min(target.shape[1], mask.shape[1] - left)
    if height > 0 and width > 0:
        target[:height, :width][mask[top : top + height, left : left + width]] = colour


def png_bytes(image: Image) -> bytes:
    """W3C PNG §5, §9: an 8-bit grey or RGB picture as a PNG file.

    Raises ApiMisuse for another shape or type.
    """
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or not image.size:
        raise ApiMisuse(f"a picture is uint8[h, w] or uint8[h, w, 3], not {image.dtype}{list(image.shape)}")
    height, width = image.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if image.ndim == 3 else 0, 0, 0, 0)
    rows = _filtered(image.reshape(height, -1), 3 if image.ndim == 3 else 1)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows, 7)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _filtered(rows: Image, step: int) -> bytes:
    """PNG §9.2: every row under the filter (none, sub, up or average) whose residue is the smallest."""
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    up = np.zeros_like(rows)
    up[1:] = rows[:-1]
    average = ((left.astype(np.uint16) + up) // 2).astype(np.uint8)
    candidates = np.stack([rows, rows - left, rows - up, rows - average])
    cost = np.abs(candidates.view(np.int8).astype(np.int32)).sum(axis=2)
    best = cost.argmin(axis=0).astype(np.uint8)
    chosen = candidates[best, np.arange(rows.shape[0])]
    return np.hstack([best[:, None], chosen]).tobytes()


def write_png(path: Path, image: Image) -> None:
    """Write `image` to `path`. Raises OutputFailed where the file cannot be written."""
    data = png_bytes(image)
    try:
        path.write_bytes(data)
    except OSError as error:
        message = f"cannot write {path.name}: {error.strerror or error}"
        raise OutputFailed(message, hint="choose another output folder, or free some space") from error


def read_png(path: Path) -> Image:
    """A picture file as RGB. Raises MediaUnavailable where it is missing or no picture."""
    try:
        with av.open(str(path.absolute()), "r", options={"protocol_whitelist": "file"}) as container:
            return rgb(next(container.decode(video=0)))
    except (av.error.FFmpegError, OSError, IndexError, StopIteration) as error:
        message = f"cannot read {path.name} as a picture"
        raise MediaUnavailable(message, hint="is the file there and complete?") from error


def rgb(frame: av.VideoFrame) -> Image:
    """A decoded frame as RGB."""
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def luma(frame: av.VideoFrame) -> Image:
    """The luma plane of a decoded frame, as it was coded: nothing is converted for planar YUV, NV12 and grey."""
    if not frame.format.name.startswith(("yuv4", "yuvj4", "nv12", "gray")) or frame.format.components[0].bits != 8:
        frame = frame.reformat(format="yuv420p")
    plane = frame.planes[0]
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def scale(image: Image, width: int, height: int, method: Literal["AREA", "BICUBIC", "POINT"] = "AREA") -> Image:
    """`image` at another size; `POINT` keeps hard pixels."""
    if image.shape[:2] == (height, width):
        return image
    name = "rgb24" if image.ndim == 3 else "gray"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=name)
    return np.asarray(frame.reformat(width, height, interpolation=method).to_ndarray(), np.uint8)


def fit(image: Image, width: int, height: int, background: Colour, *, hard: bool = False) -> Image:
    """`image` in the middle of a `width` x `height` field, its aspect kept."""
    factor = min(width / image.shape[1], height / image.shape[0])
    inner_width, inner_height = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    method: Literal["AREA", "BICUBIC", "POINT"] = "POINT" if hard else "AREA" if factor < 1 else "BICUBIC"
    field = np.empty((height, width, *image.shape[2:]), np.uint8)
    field[:] = background
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    field[top : top + inner_height, left : left + inner_width] = scale(image, inner_width, inner_height, method)
    return field


def fit_frame(frame: av.VideoFrame, size: tuple[int, int], aspect: float = 1.0) -> Image:
    """A frame in the middle of a black picture of `size` (even), turned upright.

    Gives a yuv420p array `uint8[height * 3 / 2, width]`; `aspect` is the width of one sample over its height.
    """
    turns = round(frame.rotation / 90) % 4 if frame.rotation % 90 == 0 else 0
    shown = (frame.width * aspect, float(frame.height))
    across, down = shown if turns % 2 == 0 else shown[::-1]
    factor = min(size[0] / across, size[1] / down)
    width, height = even(across * factor, size[0]), even(down * factor, size[1])
    scaled = (width, height) if turns % 2 == 0 else (height, width)
    inner = np.asarray(frame.reformat(*scaled, format="yuv420p").to_ndarray(), np.uint8)
    if turns == 0 and scaled == size:
        return inner
    return _assembled([np.rot90(plane, turns) for plane in _split(inner)], size)


def even(length: float, limit: int) -> int:
    """The nearest even number of pixels, at least 2 and at most `limit`."""
    return max(2, min(round(length / 2) * 2, limit))


def _split(planes: Image) -> list[Image]:
    """A yuv420p array as its three planes."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    return [planes[:height], chroma[0], chroma[1]]


def _assembled(planes: list[Image], size: tuple[int, int]) -> Image:
    """Three planes in the middle of a black yuv420p array of `size`."""
    width, height = size
    field = np.empty((height * 3 // 2, width), np.uint8)
    field[:height], field[height:] = 16, 128
    for target, plane in zip(_split(field), planes, strict=True):
        chroma = target.shape[0] != height
        top, left = ((full - part) // 4 * 2 for full, part in zip((height, width), planes[0].shape, strict=True))
        top, left = (top // 2, left // 2) if chroma else (top, left)
        target[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    return field


def psnr(one: Image, other: Image) -> float:
    """ITU-T J.340: the peak signal-to-noise ratio in dB of two pictures of one shape; infinite where they are equal.

    Raises ApiMisuse for different shapes.
    """
    if one.shape != other.shape:
        raise ApiMisuse(f"pictures of different shapes: {list(one.shape)} and {list(other.shape)}")
    error = float(np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))
