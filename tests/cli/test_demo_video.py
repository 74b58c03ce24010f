"""The demo's last step: tracks of two drawn cameras in a gallery."""

from passerby.cli.demo_video import START, watch_street
from passerby.drawing import VideoRecipe
from passerby.gallery.gallery import Gallery
from passerby.terminal import terminal

RECIPE = VideoRecipe(cameras=2, people=2, visits=1, minutes=0.2, rate=5, width=320, height=180)


def test_two_cameras_end_in_a_gallery(tmp_path):
    told = watch_street(tmp_path, terminal(quiet=True), RECIPE)
    place = tmp_path / "street.gallery"
    assert told.startswith(f"{place}   (")
    with Gallery.open(place) as gallery:
        entries = gallery.entries()
    assert {one.camera for one in entries} == {"camera-1", "camera-2"}
    assert all(START <= one.timestamp < START + 12 for one in entries)
    assert all((tmp_path / "street.pictures" / one.file_name).is_file() for one in entries)
    # Again: nothing is drawn or stored twice.
    assert watch_street(tmp_path, terminal(quiet=True), RECIPE) == told
