"""What OpenCV decodes in Pillow's place has Pillow's pixels; what is special is left to Pillow."""

from __future__ import annotations

import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from edgecnn.data.files.images import ImageFiles, UnreadableImageError, decode, decode_again
from edgecnn.data.files.opencv_images import MOST_PIXELS, decode_plain
from edgecnn.errors import InputError

pytest.importorskip("cv2")


def make_image(mode="RGB", size=(37, 23), seed=0):
    """Smooth colors of (width, height), as photos have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image, kind, **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


PLAIN = {
    "PNG in RGB": encoded(make_image(), "PNG"),
    "PNG in gray": encoded(make_image("L"), "PNG"),
    "PNG of one pixel": encoded(make_image(size=(1, 1)), "PNG"),
    "JPEG in RGB": encoded(make_image(), "JPEG"),
    "JPEG in gray": encoded(make_image("L"), "JPEG"),
    "JPEG of one column": encoded(make_image(size=(1, 50)), "JPEG"),
    "JPEG, progressive": encoded(make_image(), "JPEG", progressive=True),
    "JPEG with a color profile": encoded(make_image(), "JPEG", icc_profile=b"any"),
    "JPEG with a long header": encoded(make_image(), "JPEG", icc_profile=bytes(1 << 17)),
    "JPEG with a comment": encoded(make_image(), "JPEG", comment=b"any"),
} | {
    f"JPEG of quality {quality}, {kind}": encoded(
        make_image(seed=quality, size=(64 + quality, 80)), "JPEG", quality=quality, subsampling=kind
    )
    for quality in (10, 75, 98)
    for kind in ("4:4:4", "4:2:2", "4:2:0")
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_files_have_the_same_pixels(name):
    np.testing.assert_array_equal(decode_plain(PLAIN[name]), decode(BytesIO(PLAIN[name])))


def turned(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(make_image(), kind, exif=exif)


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def turned_by_text(keyword, value, *, behind=False):
    """A PNG whose text chunk turns it, before or behind its pixels."""
    plain = encoded(make_image(), "PNG")
    text = PngInfo()
    text.add_itxt(keyword, value)
    chunks = encoded(make_image(), "PNG", pnginfo=text)
    if not behind:
        return chunks
    start = chunks.index(b"iTXt") - 4
    chunk = chunks[start : start + 12 + int.from_bytes(chunks[start : start + 4], "big")]
    return plain[:-12] + chunk + plain[-12:]


def raw_profile():
    """EXIF as ImageMagick writes it into a PNG: hex digits behind a name and a length."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = exif.tobytes()
    return f"\nexif\n{len(content):8}\n{content.hex()}\n"


def turned_jpeg_by_xmp(before=b""):
    """A JPEG whose XMP turns it, behind `before`."""
    content = b"http://ns.adobe.com/xap/1.0/\x00" + XMP
    plain = encoded(make_image(), "JPEG")
    segment = b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content
    return plain[:2] + before + segment + plain[2:]


LONG = 2 * (b"\xff\xe2\xff\xff" + bytes(0xFFFD))
"""Segments of a JPEG, longer than 64 KiB together."""

SPECIAL = {
    "PNG turned by a raw profile": turned_by_text("Raw profile type exif", raw_profile()),
    "PNG turned by XMP": turned_by_text("XML:com.adobe.xmp", XMP.decode()),
    "PNG turned by XMP behind its pixels": turned_by_text(
        "XML:com.adobe.xmp", XMP.decode(), behind=True
    ),
    "JPEG turned by XMP": turned_jpeg_by_xmp(),
    "JPEG turned by XMP far behind": turned_jpeg_by_xmp(LONG),
    "turned JPEG": turned("JPEG"),
    "turned PNG": turned("PNG"),
    "JPEG for print": encoded(make_image("CMYK"), "JPEG"),
    "palette": encoded(make_image("P"), "PNG"),
    "black and white": encoded(make_image("1"), "PNG"),
    "alpha": encoded(make_image("RGBA"), "PNG"),
    "gray with alpha": encoded(make_image("LA"), "PNG"),
    "one color transparent": encoded(make_image(), "PNG", transparency=(0, 0, 0)),
    "16 bits": encoded(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)), "PNG"),
    "animation": encoded(make_image(), "PNG", save_all=True, append_images=[make_image(seed=1)]),
    "bitmap": encoded(make_image(), "BMP"),
    "WebP": encoded(make_image(), "WEBP"),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_files_are_left_to_pillow(name):
    assert decode_plain(SPECIAL[name]) is None
    np.testing.assert_array_equal(decode_again(SPECIAL[name]), decode(BytesIO(SPECIAL[name])))


@pytest.mark.parametrize("name", [name for name in SPECIAL if "turned" in name])
def test_turned_files_are_turned(name):
    assert decode_again(SPECIAL[name]).shape == (37, 23, 3)


@pytest.mark.parametrize("name", ["PNG in RGB", "JPEG in RGB"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.9])
def test_what_was_cut_off_since_is_told(name, share):
    whole = PLAIN[name]

    with pytest.raises(UnreadableImageError):
        decode_again(whole[: int(share * len(whole))])


@pytest.mark.parametrize("name", ["PNG in RGB", "JPEG in RGB", "PNG in gray", "JPEG in gray"])
def test_damage_inside_is_told_or_seen_as_an_image(name):
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(PLAIN[name])
        for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        pixels = decode_plain(bytes(damaged))
        assert pixels is None or (pixels.ndim, pixels.dtype) == (3, np.uint8)


def test_a_large_image_is_left_to_pillow_before_it_is_decoded():
    side = int(MOST_PIXELS**0.5) + 1

    assert decode_plain(encoded(Image.new("L", (side, side)), "PNG")) is None


def test_without_opencv_pillow_decodes_everything(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)

    assert decode_plain(PLAIN["PNG in RGB"]) is None
    assert decode_again(PLAIN["PNG in RGB"]).shape == (23, 37, 3)


def test_a_file_that_vanished_is_named(tmp_path):
    files = ImageFiles((tmp_path / "gone.png",), 3)

    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        files[0]
