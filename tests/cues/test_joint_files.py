import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from passerby.cues.joints import joints_of, read_joints
from passerby.cues.layouts import BODY_25, COCO_17, to_coco_18
from passerby.cues.source import FileCues, find_cues
from passerby.types import JOINT_NAMES, InputError, Sample


def by_name(names):
    """Joints whose numbers tell which they are; confidence 0.5."""
    place = {name: k for k, name in enumerate(sorted({*COCO_17, *BODY_25}))}
    return {name: [10.0 + place[name], 20.0 + 2 * place[name], 0.5] for name in names}


def listed(names):
    return [by_name(names)[name] for name in names]


def expected():
    return np.array(listed(JOINT_NAMES), np.float32)


def write(file, content):
    file.write_text(json.dumps(content))
    return file


def test_coco_has_the_neck_between_the_shoulders():
    found = to_coco_18(np.array(listed(COCO_17)))
    left, right = (np.array(by_name(COCO_17)[f"{s}_shoulder"]) for s in ("left", "right"))
    np.testing.assert_allclose(found[1], (left + right) / 2)
    others = [k for k in range(18) if k != 1]
    np.testing.assert_allclose(found[others], expected()[others])


def test_no_neck_without_both_shoulders():
    joints = np.array(listed(COCO_17))
    joints[COCO_17.index("left_shoulder"), 2] = 0.25
    assert to_coco_18(joints)[1, 2] == 0.25
    joints[COCO_17.index("left_shoulder")] = 0
    assert to_coco_18(joints)[1].tolist() == [0, 0, 0]


def test_body_25_by_the_names():
    np.testing.assert_allclose(to_coco_18(np.array(listed(BODY_25))), expected())
    # The published order: mid hip is 8, right hip 9, the feet come last.
    assert [BODY_25[k] for k in (1, 8, 9, 12, 15, 18, 24)] == [
        "neck", "mid_hip", "right_hip", "left_hip", "right_eye", "left_ear", "right_heel",
    ]  # fmt: skip


def test_a_joint_without_confidence_is_missing():
    joints = expected()
    joints[4, 2] = 0
    assert to_coco_18(joints)[4].tolist() == [0, 0, 0]


@pytest.mark.parametrize("layout", [JOINT_NAMES, BODY_25])
def test_parquet(tmp_path, layout):
    flat = [sum(listed(layout), [])]
    for name, column in {"flat": flat, "nested": [listed(layout)]}.items():
        table = pyarrow.table({"file_name": ["query/a.jpg"], "joints": column})
        # The content tells what it is, not the name.
        pyarrow.parquet.write_table(table, tmp_path / name)
        found = read_joints(tmp_path / name)
        assert list(found) == ["query/a.jpg"]
        np.testing.assert_allclose(found["query/a.jpg"], expected())


def openpose(*people):
    flat = [sum(listed(layout), []) for layout in people]
    return {"version": 1.3, "people": [{"pose_keypoints_2d": one} for one in flat]}


@pytest.mark.parametrize("layout", [JOINT_NAMES, BODY_25])
def test_openpose_folder_and_one_file(tmp_path, layout):
    (tmp_path / "joints/query").mkdir(parents=True)
    write(tmp_path / "joints/query/a.b_keypoints.json", openpose(layout))
    sample = Sample(tmp_path / "query/a.b.jpg", "query/a.b.jpg", 1, 1)
    np.testing.assert_allclose(find_cues(tmp_path).joints(sample), expected())
    one = read_joints(write(tmp_path / "all.json", {"query/a.b.jpg": openpose(layout)}))
    np.testing.assert_allclose(joints_of(one, sample), expected())


def test_of_several_people_the_surest_and_of_none_nobody(tmp_path):
    content = openpose(JOINT_NAMES, JOINT_NAMES)
    content["people"][1]["pose_keypoints_2d"] = [3.0, 4.0, 0.9] * 18
    file = write(tmp_path / "all.json", {"a.jpg": content, "b.jpg": openpose()})
    found = read_joints(file)
    np.testing.assert_allclose(found["a.jpg"], [[3, 4, 0.9]] * 18)
    np.testing.assert_array_equal(found["b.jpg"], np.zeros((18, 3)))


def test_coco_annotations(tmp_path):
    points = listed(COCO_17)
    for k, point in enumerate(points):
        point[2] = k % 3
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 7, "keypoints": sum(points, [])}],
    }
    found = read_joints(write(tmp_path / "coco.json", content))
    shown = {name for k, name in enumerate(COCO_17) if k % 3}
    for k, name in enumerate(JOINT_NAMES):
        if name != "neck":
            want = [*by_name(COCO_17)[name][:2], 1] if name in shown else [0, 0, 0]
            assert found["a.jpg"][k].tolist() == want
    assert not found["b.jpg"].any()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a.jpg": [[0, 0, 1]] * 16}, r"a\.jpg: joints must be 18 x .* given the shape \(16, 3\)"),
        ({"a.jpg": [0.5] * 55}, r"given the shape \(55,\)"),
        ({"a.jpg": {"persons": []}}, r"a\.jpg: not OpenPose's joints: the list people"),
        ({"a.jpg": {"people": [{}]}}, "has no pose_keypoints_2d"),
        ({"version": 1.3, "people": []}, "OpenPose's file of one picture; give the folder"),
        ({"images": [], "annotations": [{}]}, "COCO's keypoints need images"),
        ([{"image_id": 3, "keypoints": []}], "given a list"),
        ("text", "given a str"),
    ],
)
def test_unknown_layouts_are_one_line(tmp_path, content, words):
    with pytest.raises(InputError, match=words) as error:
        read_joints(write(tmp_path / "x.json", content))
    assert str(error.value).startswith(str(tmp_path / "x.json"))
    assert "\n" not in str(error.value)


def test_broken_places(tmp_path):
    with pytest.raises(InputError, match=r"contains no files \*_keypoints\.json"):
        read_joints(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_joints(tmp_path / "x.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"file_name": ["a"]}), tmp_path / "y.parquet")
    with pytest.raises(InputError, match="columns file_name, joints; joints is missing"):
        read_joints(tmp_path / "y.parquet")


def test_the_fingerprint_of_a_folder_follows_its_files(tmp_path):
    write(tmp_path / "a_keypoints.json", openpose(JOINT_NAMES))
    first = FileCues(joints=tmp_path).fingerprint
    assert FileCues(joints=tmp_path).fingerprint == first
    write(tmp_path / "b_keypoints.json", openpose())
    assert FileCues(joints=tmp_path).fingerprint != first
