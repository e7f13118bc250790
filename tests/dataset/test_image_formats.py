import io
import itertools
import logging
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_images import (
    CHANNELS,
    GRAY,
    GRAY_ALPHA,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    RGB,
    RGB_ALPHA,
    TIFF_INKS,
    TIFF_LAB,
    TIFF_RGB,
    animation,
    encoded,
    flat_png,
    four_layer_jpeg,
    frames,
    ink_profile,
    png,
    segment,
    tiff,
)
from PIL import Image, ImageCms

from parley.dataset.fetch.options import REFUSABLE
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.image_formats import KINDS, SUFFIXES, kinds_of, open_image, to_rgb
from parley.dataset.image_signatures import FORMATS

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
RED_INKS = (0, 255, 255, 0)
RED_LAB = (54.29, 80.81, 69.89)  # sRGB's red under D50, from its definition
RAMP = (0, 257, 32896, 65535)  # 0, 1, 128 and 255 of 255
XMP = "<x:xmpmeta><rdf:Description tiff:Orientation={}6{}/></x:xmpmeta>"


def kinds(content):
    with open_image(content) as image:
        return kinds_of(image)


def rgb(content):
    with open_image(content) as image:
        return np.asarray(to_rgb(image))


def colour(content):
    """The one colour of an image, or that of its top left pixel."""
    return tuple(int(value) for value in rgb(content)[0, 0])


def quarters():
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (16, 8), RED)
    image.paste(GREEN, (8, 0, 16, 4))
    image.paste(BLUE, (0, 4, 8, 8))
    image.paste(WHITE, (8, 4, 16, 8))
    return image


def turned(orientation):
    """What a camera stores so that a viewer who obeys the orientation sees `quarters`."""
    turns = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.rotate(180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.rotate(90, expand=True),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.rotate(-90, expand=True),
    }
    return turns[orientation](quarters())


def stored(kind, orientation, **options):
    if kind == "TIFF":
        return encoded(turned(orientation), "TIFF", tiffinfo={0x0112: orientation}, **options)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(turned(orientation), kind, exif=exif, **options)


def test_the_kinds_are_those_that_can_be_refused_and_each_has_its_error():
    assert tuple(KINDS) == REFUSABLE
    assert [ErrorClass(kind) for kind in KINDS]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_plain_image_of_any_format_has_no_unusual_kind(kind):
    content = encoded(quarters(), kind)
    with open_image(content) as image:
        assert SUFFIXES[image.format]
    assert kinds(content) == ()
    assert kinds(encoded(quarters().convert("L"), kind)) == ()


def test_other_formats_are_not_opened():
    with pytest.raises(OSError, match="cannot identify"):
        open_image(encoded(quarters(), "PPM"))


class TestAnimated:
    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
    @pytest.mark.parametrize("number", [2, 3, 7])
    def test_more_than_one_frame_or_page(self, kind, number):
        assert "animated" in kinds(animation(kind, number))
        assert "animated" not in kinds(animation(kind, 1))

    def test_further_views_of_a_jpeg_do_not_count_as_frames(self):
        content = animation("MPO", 2)
        with open_image(content) as image:
            assert (image.format, image.n_frames) == ("MPO", 2)
        assert kinds(content) == ()

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
    def test_the_first_frame_is_used(self, kind):
        options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "MPO" else {}
        first, *others = frames(3)
        seen = rgb(encoded(first, kind, save_all=True, append_images=others, **options))
        assert np.abs(seen.astype(int) - np.asarray(first)).max() <= (3 if kind == "MPO" else 0)

    def test_frames_beyond_the_second_are_not_even_read(self):
        class Counted(io.BytesIO):
            bytes_read = 0

            def read(self, *size):
                piece = super().read(*size)
                self.bytes_read += len(piece)
                return piece

        content = animation("GIF", 5000, side=16)
        stream = Counted(content)
        with Image.open(stream, formats=FORMATS) as image:
            assert kinds_of(image) == ("animated",)
        assert stream.bytes_read < len(content) / 100


class TestSixteenBit:
    @pytest.mark.parametrize("colour_type", [GRAY, RGB, GRAY_ALPHA, RGB_ALPHA])
    @pytest.mark.parametrize("depth", [8, 16])
    def test_pngs_of_every_colour_type(self, colour_type, depth):
        content = flat_png(depth, colour_type, [99] * CHANNELS[colour_type])
        assert ("sixteen_bit" in kinds(content)) == (depth == 16)

    @pytest.mark.parametrize(
        ("bits", "photometric", "letter"),
        [
            ([8], MIN_IS_BLACK, "B"),
            ([16], MIN_IS_BLACK, "H"),
            ([8] * 3, TIFF_RGB, "B"),
            ([16] * 3, TIFF_RGB, "H"),
            ([8] * 4, TIFF_INKS, "B"),
            ([16] * 4, TIFF_INKS, "H"),
        ],
    )
    @pytest.mark.parametrize("order", "<>")
    def test_tiffs(self, bits, photometric, letter, order):
        data = struct.pack(f"{order}{len(bits)}{letter}", *[9] * len(bits))
        found = kinds(tiff(1, 1, bits, photometric, data, order=order))
        assert ("sixteen_bit" in found) == (letter == "H")
        assert ("cmyk" in found) == (photometric == TIFF_INKS)

    @pytest.mark.parametrize("compression", ["raw", "tiff_deflate"])
    @pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
    def test_compressed_tiffs_with_integers_and_floats(self, compression, dtype):
        deep = Image.fromarray(np.ones((3, 3), dtype))
        assert kinds(encoded(deep, "TIFF", compression=compression)) == ("sixteen_bit",)

    @pytest.mark.parametrize("colour_type", [GRAY, RGB, GRAY_ALPHA, RGB_ALPHA])
    def test_a_gradient_maps_linearly_to_eight_bits(self, colour_type):
        channels = CHANNELS[colour_type]
        values = np.arange(0, 65536, 16)
        opaque = colour_type in (GRAY_ALPHA, RGB_ALPHA)
        samples = np.repeat(values[:, None], channels, axis=1).astype(">u2")
        if opaque:
            samples[:, -1] = 65535
        seen = rgb(png(len(values), 1, 16, colour_type, [samples.tobytes()]))
        assert np.abs(seen[0].astype(float) - values[:, None] * 255 / 65535).max() < 1
        assert [tuple(seen[0, place // 16]) for place in (0, 65520)] == [BLACK, WHITE]

    def test_gray_is_rounded_and_not_clipped(self):
        ramp = np.array([RAMP], np.uint16)
        for content in (encoded(Image.fromarray(ramp)), encoded(Image.fromarray(ramp), "TIFF")):
            assert rgb(content)[0, :, 1].tolist() == [0, 1, 128, 255]
        for values in (ramp.astype(np.int32), ramp.astype(np.float32)):
            assert np.asarray(to_rgb(Image.fromarray(values)))[0, :, 0].tolist() == [0, 1, 128, 255]

    @pytest.mark.parametrize("order", "<>")
    def test_colours_of_a_tiff(self, order):
        data = struct.pack(f"{order}3H", 0, 32896, 65535)
        assert colour(tiff(1, 1, [16] * 3, TIFF_RGB, data, order=order)) == (0, 128, 255)

    def test_white_of_twelve_bit_images_is_4095(self):
        content = tiff(2, 1, [12], MIN_IS_BLACK, bytes([0xFF, 0xF0, 0x00]))
        assert kinds(content) == ("sixteen_bit",)
        assert rgb(content)[0, :, 0].tolist() == [255, 0]

    def test_white_is_zero_tiffs_are_inverted(self):
        data = struct.pack("<4H", *RAMP)
        assert rgb(tiff(4, 1, [16], MIN_IS_WHITE, data))[0, :, 0].tolist() == [255, 254, 127, 0]
        assert rgb(tiff(2, 1, [8], MIN_IS_WHITE, b"\0\xff"))[0, :, 0].tolist() == [255, 0]

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(width=32), min_size=1, max_size=40))
    def test_floats_are_scaled_by_their_own_range(self, values):
        row = np.array([values], np.float32)
        seen = np.asarray(to_rgb(Image.fromarray(row)))[0, :, 0]
        known = np.isfinite(row[0])
        order = np.argsort(row[0][known], kind="stable")
        assert (np.diff(seen[known][order].astype(int)) >= 0).all()
        if known.any() and row[0][known].max() - row[0][known].min() > 1e-6:
            assert (seen[known].min(), seen[known].max()) == (0, 255)


class TestTransparent:
    @pytest.mark.parametrize(
        ("transparent", "opaque"),
        [
            (flat_png(8, RGB_ALPHA, (*RED, 0)), flat_png(8, RGB, RED)),
            (flat_png(8, GRAY_ALPHA, (0, 0)), flat_png(8, GRAY, (0,))),
            (flat_png(8, RGB, RED, before=[(b"tRNS", struct.pack(">3H", *RED))]), flat_png(8, RGB, RED)),
            (flat_png(8, GRAY, (7,), before=[(b"tRNS", b"\0\7")]), flat_png(8, GRAY, (7,))),
            (encoded(Image.new("RGBA", (4, 4), (*RED, 0)), "WEBP"), encoded(Image.new("RGB", (4, 4), RED), "WEBP")),
            (encoded(Image.new("P", (4, 4)), "GIF", transparency=0), encoded(Image.new("P", (4, 4)), "GIF")),
            (encoded(Image.new("P", (4, 4)), transparency=b"\0\xff"), encoded(Image.new("P", (4, 4)))),
            (
                tiff(1, 1, [8] * 4, TIFF_RGB, bytes((*RED, 0)), [(338, 3, [2])]),
                tiff(1, 1, [8] * 4, TIFF_RGB, bytes((*RED, 0)), [(338, 3, [0])]),
            ),
        ],
    )
    def test_an_alpha_channel_or_a_transparent_colour(self, transparent, opaque):
        assert kinds(transparent) == ("transparent",)
        assert colour(transparent) == WHITE
        assert kinds(opaque) == ()
        assert colour(opaque) != WHITE

    def test_opaque_pixels_of_an_alpha_channel_do_not_show_in_the_header(self):
        content = flat_png(8, RGB_ALPHA, (*RED, 255))
        assert kinds(content) == ("transparent",)
        assert colour(content) == RED

    def test_half_transparent_is_half_white(self):
        assert colour(flat_png(8, RGB_ALPHA, (0, 0, 0, 51))) == (204, 204, 204)
        assert colour(flat_png(8, GRAY_ALPHA, (0, 51))) == (204, 204, 204)
        # Stored already multiplied: half a red is (128, 0, 0), a fully transparent gray is 0.
        associated = [(338, 3, [1])]
        red = np.array(colour(tiff(1, 1, [8] * 4, TIFF_RGB, bytes([128, 0, 0, 128]), associated)))
        assert np.abs(red - (255, 127, 127)).max() <= 1
        assert colour(tiff(1, 1, [8] * 2, MIN_IS_BLACK, b"\0\0", associated)) == WHITE

    def test_a_palette_with_a_transparent_colour_is_composited_on_white(self):
        palette = quarters().quantize(4)
        seen = rgb(encoded(palette, transparency=palette.getpixel((0, 0))))
        assert (tuple(seen[0, 0]), tuple(seen[0, 15])) == (WHITE, GREEN)

    @pytest.mark.parametrize(("depth", "row"), [(1, 0b01000000), (2, 0b00010000), (4, 0b00000001)])
    def test_the_transparent_colour_with_few_bits(self, depth, row):
        # Two pixels, 0 and 1; of the 1 the PNG says that it is transparent, or of the 0.
        seen = [
            rgb(png(2, 1, depth, GRAY, [bytes([row])], before=[(b"tRNS", bytes([0, value]))]))[0, :, 0].tolist()
            for value in (0, 1)
        ]
        assert seen == [[255, 255 // (2**depth - 1)], [0, 255]]

    def test_the_transparent_colour_of_sixteen_bits(self):
        row = struct.pack(">2H", 300, 301)
        gray = png(2, 1, 16, GRAY, [row], before=[(b"tRNS", struct.pack(">H", 301))])
        assert kinds(gray) == ("sixteen_bit", "transparent")
        assert rgb(gray)[0].tolist() == [[1, 1, 1], list(WHITE)]
        row = struct.pack(">6H", 0x80FF, 0, 0, 0, 0x80FF, 0)
        red = png(2, 1, 16, RGB, [row], before=[(b"tRNS", struct.pack(">3H", 0x80FF, 0, 0))])
        assert rgb(red)[0].tolist() == [list(WHITE), [0, 128, 0]]

    @pytest.mark.parametrize("place", ["before", "after"])
    @pytest.mark.parametrize(
        ("colour_type", "pixel", "seen"),
        [(RGB, RED, RED), (GRAY, (9,), (9, 9, 9)), (RGB_ALPHA, (*RED, 255), RED), (GRAY_ALPHA, (9, 0), WHITE)],
    )
    def test_a_text_named_transparency_changes_nothing(self, place, colour_type, pixel, seen):
        texts = [(b"tEXt", name + b"\0what") for name in (b"transparency", b"icc_profile", b"exif", b"xmp")]
        assert colour(flat_png(8, colour_type, pixel, **{place: texts})) == seen


class TestRotated:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
    def test_rotation_is_detected_and_applied(self, kind, orientation):
        content = stored(kind, orientation, **({"lossless": True} if kind == "WEBP" else {}))
        assert kinds(content) == (("rotated",) if orientation > 1 else ())
        assert np.array_equal(rgb(content), np.asarray(quarters()))

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_jpeg(self, orientation):
        content = stored("JPEG", orientation, quality=100, subsampling=0)
        assert kinds(content) == (("rotated",) if orientation > 1 else ())
        assert np.abs(rgb(content).astype(int) - np.asarray(quarters())).max() <= 2

    def test_a_compressed_tiff_is_rotated_once(self):
        content = stored("TIFF", 6, compression="tiff_deflate")
        assert np.array_equal(rgb(content), np.asarray(quarters()))

    def test_xmp_orientation_is_used_without_exif(self):
        jpeg = encoded(turned(6), "JPEG", xmp=XMP.format('"', '"').encode())
        assert kinds(jpeg) == ("rotated",)
        assert rgb(jpeg).shape == (8, 16, 3)

    def test_a_png_with_exif_after_its_pixels_is_rotated(self):
        exif = Image.Exif()
        exif[0x0112] = 3
        row = bytes((*RED, *GREEN))
        content = png(2, 1, 8, RGB, [row], after=[(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))])
        assert kinds(content) == ()  # the header does not say
        assert rgb(content)[0].tolist() == [list(GREEN), list(RED)]

    @pytest.mark.parametrize(
        "exif",
        [
            b"",
            b"II*\0\xff\xff\xff\xff nonsense",
            b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff\xff\xff\xff\xff" * 900,
            b"II*\0\x08\0\0\0\1\0\x12\x01\x03\0\1\0\0\0\x63\0\0\0\0\0\0\0",  # orientation 99
            b"II*\0\x08\0\0\0\1\0\x12\x01\x02\0\4\0\0\0six\0\0\0\0\0",  # orientation "six"
            b"\0" * 60_000,
        ],
    )
    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_an_image_with_damaged_exif_is_not_rotated(self, exif):
        plain = encoded(quarters(), "JPEG")
        content = plain[:2] + segment(0xE1, b"Exif\0\0" + exif) + plain[2:]
        assert kinds(content) == ()
        assert np.array_equal(rgb(content), rgb(plain))


class TestInks:
    def test_inverted_cmyk_from_adobe_is_converted(self):
        inverted = [255 - ink for ink in RED_INKS]
        content = four_layer_jpeg(inverted, transform=0)
        assert kinds(content) == ("cmyk",)
        assert colour(content) == RED
        assert colour(four_layer_jpeg([255] * 4, transform=0)) == WHITE
        assert colour(four_layer_jpeg([255, 255, 255, 0], transform=0)) == BLACK

    def test_luminance_and_differences_of_inks(self):
        # Of the inks (0, 255, 255): 0.299, 0.587 and 0.114 of them, and how far the third and the first are off.
        content = four_layer_jpeg([179, 171, 0, 255], transform=2)
        assert kinds(content) == ("cmyk",)
        assert np.abs(np.array(colour(content)) - RED).max() <= 2

    @pytest.mark.parametrize("letter", "BH")
    def test_a_tiff(self, letter):
        full = 255 if letter == "B" else 65535
        data = struct.pack(f"<4{letter}", *(ink * full // 255 for ink in RED_INKS))
        content = tiff(1, 1, [8 if letter == "B" else 16] * 4, TIFF_INKS, data)
        assert kinds(content) == (("cmyk",) if letter == "B" else ("cmyk", "sixteen_bit"))
        assert colour(content) == RED

    def test_the_profile_determines_the_colour_of_an_ink(self):
        # The inverse of the usual: full cyan prints red.
        profile = ink_profile(lambda inks: RED_LAB if inks == (True, False, False, False) else (100, 0, 0))
        cyan = [0, 255, 255, 255]
        assert colour(four_layer_jpeg(cyan, transform=0)) == (0, 255, 255)
        for content in (
            four_layer_jpeg(cyan, transform=0, profile=profile),
            tiff(1, 1, [8] * 4, TIFF_INKS, b"\xff\0\0\0", [(34675, 1, profile)]),
        ):
            assert np.abs(np.array(colour(content)) - RED).max() <= 3

    @pytest.mark.parametrize(
        "profile",
        [
            b"no profile at all",
            ink_profile(lambda inks: RED_LAB, colours=b"RGB "),
            ink_profile(lambda inks: RED_LAB)[:300],
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ],
    )
    def test_an_unusable_profile_is_ignored_with_a_warning(self, profile, caplog):
        with caplog.at_level(logging.WARNING):
            assert colour(four_layer_jpeg([0, 255, 255, 255], transform=0, profile=profile)) == (0, 255, 255)
        assert "Ignoring the colour profile" in caplog.text

    def test_lightness_and_colour_differences(self):
        light, a, b = RED_LAB
        for lab, seen in (((light, a, b), RED), ((100, 0, 0), WHITE), ((0, 0, 0), BLACK)):
            pixel = bytes([round(lab[0] * 2.55), round(lab[1]), round(lab[2])])
            found = colour(tiff(1, 1, [8] * 3, TIFF_LAB, pixel))
            assert np.abs(np.array(found) - seen).max() <= 6  # steps of 1 in a and b are coarse


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "RGB"])
def test_other_modes_become_rgb(mode):
    converted = Image.new("RGB", (4, 4), WHITE).convert(mode)
    assert to_rgb(converted).mode == "RGB"
    assert to_rgb(converted).getpixel((0, 0)) == WHITE


def test_only_the_kinds_asked_for_are_named():
    rotated = [(0x0112, 3, [6])]
    content = tiff(1, 1, [16] * 4, TIFF_INKS, bytes(8), rotated)
    assert kinds(content) == ("cmyk", "sixteen_bit", "rotated")
    for among in itertools.chain.from_iterable(itertools.combinations(REFUSABLE, number) for number in range(4)):
        with open_image(content) as image:
            found = kinds_of(image, among[::-1])
        assert found == tuple(kind for kind in ("cmyk", "sixteen_bit", "rotated") if kind in among)


@pytest.mark.parametrize(
    ("content", "pixels", "kind"),
    [
        (flat_png(16, RGB, (1, 2, 3), side=64), b"IDAT", "sixteen_bit"),
        (flat_png(8, RGB_ALPHA, (1, 2, 3, 4), side=64), b"IDAT", "transparent"),
        (stored("JPEG", 6), b"\xff\xda", "rotated"),
        (encoded(Image.new("CMYK", (64, 64)), "JPEG"), b"\xff\xda", "cmyk"),
        (tiff(9, 9, [16], MIN_IS_BLACK, b"here" * 41), b"here", "sixteen_bit"),
    ],
    ids=["png-deep", "png-alpha", "jpeg-exif", "jpeg-inks", "tiff-deep"],
)
def test_the_header_is_enough(content, pixels, kind):
    header = content[: content.index(pixels) + 18]
    assert kinds(header) == (kind,)
    with pytest.raises((OSError, SyntaxError)):
        rgb(header)
