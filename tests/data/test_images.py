import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from passerby.data.images import from_pil, picture_size, read_image, read_mask
from passerby.types import InputError


@pytest.fixture
def picture():
    """(6, 4, 3) of smooth but lopsided colours."""
    y, x = np.mgrid[:6, :4]
    return np.stack([40 * y, 60 * x, 20 * (x + y)], axis=2).astype(np.uint8)


def test_plain_rgb_is_read_exactly(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)
    assert picture_size(tmp_path / "a.png") == (6, 4)


def test_jpeg_equals_pillows_own_decoding(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 16, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", quality=80)
    with Image.open(tmp_path / "a.jpg") as image:
        expected = np.asarray(image.convert("RGB"))
    read = read_image(tmp_path / "a.jpg")
    assert np.array_equal(read, expected)
    assert read.flags.writeable


# Pixel [y, x] of the upright picture, from the stored one, by EXIF 2.3's table of orientations.
UPRIGHT = {
    1: lambda s: s,
    2: lambda s: s[:, ::-1],
    3: lambda s: s[::-1, ::-1],
    4: lambda s: s[::-1],
    5: lambda s: s.transpose(1, 0, 2),
    6: lambda s: s.transpose(1, 0, 2)[:, ::-1],
    7: lambda s: s[::-1, ::-1].transpose(1, 0, 2),
    8: lambda s: s.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_exif_orientation(tmp_path, picture, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / f"a.{ending}"
    big = np.kron(picture, np.ones((16, 16, 1), np.uint8))
    Image.fromarray(big).save(file, exif=exif, **({"quality": 100} if ending == "jpg" else {}))
    upright = UPRIGHT[orientation](big)
    read = read_image(file)
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).mean() < (3 if ending == "jpg" else 1e-9)
    assert picture_size(file) == upright.shape[:2]


def test_cmyk_jpeg_has_the_colours_of_the_rgb_original(tmp_path):
    colours = np.zeros((16, 64, 3), np.uint8)
    colours[:, :16], colours[:, 16:32], colours[:, 32:48] = (
        (200, 30, 30),
        (30, 180, 40),
        (20, 30, 170),
    )
    image = Image.fromarray(colours).convert("CMYK")
    image.save(tmp_path / "a.jpg", quality=98)
    with Image.open(tmp_path / "a.jpg") as stored:
        assert stored.mode == "CMYK"
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - colours).max() < 12


def test_alpha_lies_over_white(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0] = [(100, 50, 0, 255), (100, 50, 0, 0), (100, 50, 0, 128)]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    # 128 / 255 of the colour and the rest white: 255 + (c - 255) * 128 / 255.
    half = [round(255 + (c - 255) * 128 / 255) for c in (100, 50, 0)]
    read = read_image(tmp_path / "a.png").astype(int)
    assert np.abs(read - [[[100, 50, 0], [255, 255, 255], half]]).max() <= 1


def test_transparent_palette_entry_is_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png").tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_grey_and_palette_and_one_bit(tmp_path):
    Image.fromarray(np.array([[0, 90, 255]], np.uint8)).save(tmp_path / "l.png")
    assert read_image(tmp_path / "l.png").tolist() == [[[v] * 3 for v in (0, 90, 255)]]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "1.png")
    assert read_image(tmp_path / "1.png").tolist() == [[[255] * 3, [0] * 3]]
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [200, 100, 50]]]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, ending):
    values = np.array([[0, 128, 129, 255, 1000, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    expected = np.round(values * (255 / 65535)).astype(int)
    read = read_image(tmp_path / f"a.{ending}")
    assert read.dtype == np.uint8
    assert np.array_equal(read, np.repeat(expected[:, :, None], 3, axis=2))


def test_sixteen_bit_colour_keeps_its_range(tmp_path):
    import struct
    import zlib

    values = np.array([[[0, 32768, 65535], [257, 25700, 51400]]], ">u2")

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    rows = b"\0" + values.tobytes()
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    read = read_image(tmp_path / "a.png").astype(int)
    assert np.abs(read - values / 257).max() <= 1


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: pixels of Pillow mode F"):
        read_image(tmp_path / "a.tif")


def test_integers_beyond_sixteen_bits_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"0 to 65535; given 0 \.\.\. 70000"):
        read_image(tmp_path / "a.tif")


def test_box_is_cut_from_the_upright_picture(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(picture)
    stored.save(tmp_path / "a.png", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    assert upright.shape == (4, 6, 3)
    assert np.array_equal(read_image(tmp_path / "a.png", (1, 2, 4, 2)), upright[2:4, 1:5])


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((-2, -1, 4, 3), (0, 2), (0, 2)),
        ((3, 4, 10, 10), (4, 6), (3, 4)),
        ((0, 0, 4, 6), (0, 6), (0, 4)),
    ],
)
def test_what_sticks_out_of_a_box_is_cut_off(tmp_path, picture, box, rows, columns):
    Image.fromarray(picture).save(tmp_path / "a.png")
    expected = picture[slice(*rows), slice(*columns)]
    assert np.array_equal(read_image(tmp_path / "a.png", box), expected)


@pytest.mark.parametrize(
    "box", [(4, 0, 2, 2), (0, 6, 2, 2), (-3, 0, 3, 2), (0, -9, 2, 3), (1, 1, 0, 2)]
)
def test_box_outside_is_an_error_with_the_size(tmp_path, picture, box):
    Image.fromarray(picture).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: the box .* lies outside .* 4 x 6 pixels"):
        read_image(tmp_path / "a.png", box)


def jpeg_bytes():
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 3), np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    return stream.getvalue()


def png_bytes(picture=None):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 3), np.uint8)
    (picture or Image.fromarray(noise)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a picture"),
        (jpeg_bytes()[:900], "cannot be read: .*truncated"),
        (jpeg_bytes()[:30], "not a picture|cannot be read"),
        (png_bytes()[:900], "cannot be read: .*truncated"),
        (png_bytes()[:200] + b"\0" * 300 + png_bytes()[500:], "cannot be read"),
    ],
    ids=["empty", "text", "cut jpeg", "jpeg head", "cut png", "damaged png"],
)
def test_broken_files_name_the_file_in_one_line(tmp_path, content, words):
    file = tmp_path / "broken.jpg"
    file.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        read_image(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="a.jpg: no such file"):
        read_image(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="not a regular file"):
        read_image(tmp_path)


@pytest.mark.parametrize("limit", [23, 11])  # above the limit, and above twice the limit
def test_decompression_bombs_are_refused(tmp_path, picture, monkeypatch, limit):
    Image.fromarray(picture).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for read in (read_image, picture_size):
            with pytest.raises(InputError, match=f"a.png: has more than {limit} pixels"):
                read(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24)
    assert read_image(tmp_path / "a.png").shape == (6, 4, 3)


def progressive(scans):
    """A JPEG of two pixels whose last scan is there again and again; a film behind its end."""
    out = io.BytesIO()
    Image.new("RGB", (1, 2)).save(out, "JPEG", progressive=True)
    content = out.getvalue()
    first = content.count(b"\xff\xda")
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (scans - first) + b"\xff\xd9" + b"\xff\xda" * 1000


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("side.png", png_bytes(Image.new("1", (16_385, 100))), "16,385 x 100"),
        ("tall.png", png_bytes(Image.new("1", (100, 16_385))), "100 x 16,385"),
        ("narrow.png", png_bytes(Image.new("1", (2, 401))), "2 x 401"),
        ("one.png", png_bytes(Image.new("1", (1, 25_000_000))), "1 x 25,000,000"),
        ("scans.jpg", progressive(65), "this one has 65"),
    ],
)
def test_pictures_that_cost_too_much_are_refused_before_they_are_decoded(
    tmp_path, monkeypatch, name, content, words
):
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    for read in (read_image, read_mask, picture_size):
        with pytest.raises(InputError, match=f"{name}: .*{words}"):
            read(tmp_path / name)


def test_what_is_just_small_enough(tmp_path):
    for size in ((16_384, 82), (1, 200)):
        (tmp_path / "a.png").write_bytes(png_bytes(Image.new("1", size)))
        assert read_image(tmp_path / "a.png").shape == (size[1], size[0], 3)
        with pytest.raises(InputError, match="more than 199 pixels"):
            read_image(tmp_path / "a.png", most_pixels=199)
    (tmp_path / "a.jpg").write_bytes(progressive(64))
    assert read_image(tmp_path / "a.jpg").shape == (2, 1, 3)


def test_from_pil_follows_the_same_rules(picture):
    assert np.array_equal(from_pil(Image.fromarray(picture)), picture)
    assert from_pil(Image.new("RGBA", (2, 1), (9, 9, 9, 0))).tolist() == [[[255] * 3] * 2]
    with pytest.raises(InputError, match="the picture: pixels of Pillow mode F"):
        from_pil(Image.new("F", (2, 2)))


def test_masks_become_0_and_255(tmp_path):
    Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)).save(tmp_path / "l.png")
    assert read_mask(tmp_path / "l.png").tolist() == [[0, 0, 255, 255]]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "1.png")
    assert read_mask(tmp_path / "1.png").tolist() == [[255, 0]]
    Image.fromarray(np.zeros((1, 2), np.uint8)).save(tmp_path / "none.png")
    assert read_mask(tmp_path / "none.png").tolist() == [[0, 0]]


def test_wrong_masks(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "rgb.png")
    with pytest.raises(InputError, match=r"rgb\.png: .* one channel; given Pillow mode RGB"):
        read_mask(tmp_path / "rgb.png")
    Image.fromarray(np.array([[0, 1, 1]], np.uint8)).save(tmp_path / "01.png")
    with pytest.raises(InputError, match=r"01\.png: .* given values from 0 to 1"):
        read_mask(tmp_path / "01.png")
