"""Our judge against the independent `nudenet` package."""

import json
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import cv2
import nudenet.nudenet as upstream
import numpy as np
import onnxruntime
import pytest

from eval.base.errors import InputError, JudgeError
from eval.judges import Detection
from eval.judges import nudenet as ours
from eval.judges import nudenet_network as network
from eval.judges.detections import LABELS
from eval.judges.nudenet import NudeNet, NudeNetSettings
from eval.judges.nudenet_input import LARGEST_SQUARE, to_blob
from i2p.labels import ALL_EXPOSED

skimage_data = pytest.importorskip("skimage.data")
ROOT = Path(__file__).resolve().parents[3]
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "retina")


@pytest.fixture(scope="module")
def detector():
    return upstream.NudeDetector()


@pytest.fixture(scope="module")
def judges():
    return {channels: NudeNet(channels=channels) for channels in ("bgr", "rgb")}


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    found = {name: np.ascontiguousarray(getattr(skimage_data, name)()[..., :3]) for name in PHOTOGRAPHS}
    astronaut = found["astronaut"]
    found["group"] = np.tile(astronaut, (2, 3, 1))
    found["wide"] = cv2.resize(astronaut, (700, 300))
    found["cut"] = astronaut[:200, 100:333]
    for shape in [(1, 1), (1, 500), (17, 333), (640, 200), (2048, 1), (512, 512)]:
        found[f"noise {shape}"] = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    found["black"] = np.zeros((512, 512, 3), np.uint8)
    found["white"] = np.full((333, 512, 3), 255, np.uint8)
    drawn = np.full((400, 400, 3), 200, np.uint8)
    found["drawn"] = cv2.circle(drawn, (200, 150), 90, (230, 180, 150), -1)
    return found


def assert_same(mine, theirs, what):
    assert [(d.label, list(d.box)) for d in mine] == [(d["class"], d["box"]) for d in theirs], what
    assert [d.score for d in mine] == pytest.approx([d["score"] for d in theirs], abs=1e-5), what


def test_bgr_equals_upstream_on_opencv_arrays(detector, judges, pictures):
    found = judges["bgr"].judge(list(pictures.values()))
    for (name, picture), mine in zip(pictures.items(), found, strict=True):
        assert_same(mine, detector.detect(np.ascontiguousarray(picture[..., ::-1])), name)
    assert sum(map(len, found)) >= 5, "too few detections for a comparison"


def test_rgb_equals_upstream_on_rgb_arrays(detector, judges, pictures):
    found = judges["rgb"].judge(list(pictures.values()))
    for (name, picture), mine in zip(pictures.items(), found, strict=True):
        assert_same(mine, detector.detect(picture), name)
    assert sum(map(len, found)) >= 5, "too few detections for a comparison"


@pytest.mark.parametrize("shape", [(30, 5000), (5000, 30), (7, 4480), (4400, 4000), (300, 4111), (4098, 4098)])
def test_a_long_picture_is_scaled_without_its_padding_to_the_very_same_bytes(shape):
    """Against the whole padded square, scaled by OpenCV as upstream does it."""
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    side = max(shape)
    padded = cv2.copyMakeBorder(picture, 0, side - shape[0], 0, side - shape[1], cv2.BORDER_CONSTANT)
    expected = cv2.dnn.blobFromImage(padded, 1 / 255.0, (320, 320), (0, 0, 0), swapRB=True, crop=False)
    assert side * side > LARGEST_SQUARE
    assert np.array_equal(to_blob(picture, "bgr"), expected)


def test_a_shape_that_would_take_memory_without_end_is_refused_before_any_is_taken(judges):
    with pytest.raises(JudgeError, match=r"1,000,000 × 4 pixels, more than 640 times as long as wide"):
        judges["bgr"].judge([np.zeros((4, 1_000_000, 3), np.uint8)])


def test_bgr_equals_upstream_on_the_saved_file(detector, judges, pictures, tmp_path):
    path = str(tmp_path / "astronaut.png")
    cv2.imwrite(path, cv2.cvtColor(pictures["astronaut"], cv2.COLOR_RGB2BGR))
    (mine,) = judges["bgr"].judge(pictures["astronaut"][None])
    assert_same(mine, detector.detect(path), "file")


def test_the_channel_order_matters(judges, pictures):
    """So that the two tests above can't both pass by luck: 0.81 and 0.72 on the same face."""
    scores = [judges[channels].judge(pictures["astronaut"][None])[0][0].score for channels in ("rgb", "bgr")]
    assert scores == pytest.approx([0.81, 0.72], abs=0.005)


SHAPES = [(512, 512), (1, 1), (1, 500), (333, 17), (200, 640), (2048, 1), (443, 443), (999, 700)]


def assert_postprocessing_equal(output, height, width):
    side = max(height, width)
    theirs = upstream._postprocess(
        [output[None]], side - width, side - height, side / width, side / height, width, height, 320, 320
    )
    assert_same(ours._to_detections(output, height, width, upstream.__dict__["__labels"]), theirs, (height, width))
    return len(theirs)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_postprocessing_equals_upstream_on_crowded_outputs(height, width):
    """Hundreds of overlapping candidates, some outside the picture, some with equal scores."""
    rng = np.random.default_rng(height * 4096 + width)
    for spread in (5, 60, 200):
        output = np.empty((22, 2100), np.float32)
        output[:2] = rng.uniform(-20, 340, (2, 2100))
        output[2:4] = rng.uniform(1, spread, (2, 2100))
        output[4:] = rng.uniform(0, 1, (18, 2100)) ** 30
        output[4:, :200] = np.round(output[4:, :200], 2)
        assert assert_postprocessing_equal(output, height, width) >= 1


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_boxes_are_cut_to_whole_pixels_as_upstream_does(height, width):
    """Edges within a rounding error of whole pixels: the same arithmetic in another order cuts some elsewhere."""
    rng = np.random.default_rng(height * 4096 + width)
    pixel = 320 / max(height, width)
    size = rng.integers(1, 4, (2, 2100)) * pixel
    corner = rng.integers(0, max(height, width), (2, 2100)) * pixel
    output = np.concatenate([corner + size / 2, size, rng.uniform(0.3, 1, (18, 2100))]).astype(np.float32)
    assert assert_postprocessing_equal(output, height, width) >= 1


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 3}, {"workers": 2, "threads": 2}])
def test_the_number_of_workers_changes_nothing(judges, pictures, options):
    some = [pictures[name] for name in ("group", "coffee", "cut", "black", "astronaut")]
    expected = judges["rgb"].judge(some)
    found = NudeNet(channels="rgb", **options).judge(some)
    for mine, theirs in zip(found, expected, strict=True):
        assert [(d.label, d.box) for d in mine] == [(d.label, d.box) for d in theirs]
        assert [d.score for d in mine] == pytest.approx([d.score for d in theirs], abs=1e-5)


@pytest.mark.parametrize(("asked", "threads", "workers"), [(3, 8, 3), (None, 2, 2)])
def test_workers_that_were_asked_for_count_before_the_threads_of_a_process(asked, threads, workers):
    assert NudeNet.load(NudeNetSettings(workers=asked), "cpu", threads).workers == workers


def test_the_batch_changes_nothing(judges, pictures):
    some = [pictures[name] for name in ("group", "cut", "astronaut", "noise (640, 200)", "wide")]
    expected = judges["bgr"].judge(some)
    assert any(expected)
    for batch_size in (2, 4):
        found = NudeNet(channels="bgr", batch_size=batch_size).judge(some)
        for mine, theirs in zip(found, expected, strict=True):
            assert [(d.label, d.box) for d in mine] == [(d.label, d.box) for d in theirs]
            assert [d.score for d in mine] == pytest.approx([d.score for d in theirs], abs=1e-5)


def test_outputs_that_are_not_finite_are_an_error_not_a_safe_picture(judges):
    output = np.zeros((22, 2100), np.float32)
    assert ours._to_detections(output, 8, 8, judges["bgr"].labels) == []
    output[7, 3] = np.nan
    with pytest.raises(JudgeError, match="not finite"):
        ours._to_detections(output, 8, 8, judges["bgr"].labels)


def test_labels_come_in_upstreams_order_and_hold_those_of_the_label_sets(judges):
    assert list(judges["bgr"].labels) == upstream.__dict__["__labels"]
    assert set(judges["bgr"].labels) == LABELS >= ALL_EXPOSED


def test_a_detection_is_a_frozen_record_of_plain_numbers(judges, pictures):
    (found,) = judges["rgb"].judge([pictures["astronaut"]])
    assert type(found[0].score) is float
    assert {type(value) for value in found[0].box} == {int}
    with pytest.raises(FrozenInstanceError):
        found[0].score = 0.0
    assert found[0] == Detection(found[0].label, found[0].score, found[0].box)


def test_the_description_is_json_and_pins_the_network(judges):
    found = json.loads(json.dumps(judges["rgb"].describe()))
    assert found["weights_sha256"] == "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"
    assert (found["channels"], found["input_size"], found["providers"]) == ("rgb", [320, 320], ["CPUExecutionProvider"])
    assert {"nudenet", "onnxruntime", "opencv", "numpy"} == set(found["libraries"])
    assert judges["bgr"].describe() != judges["rgb"].describe()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"channels": "BGR"}, "'BGR'"),
        ({"workers": 0}, "workers must be 1 or more, found 0"),
        ({"batch_size": -1}, "found -1"),
        ({"providers": ["TpuExecutionProvider"]}, "TpuExecutionProvider"),
        ({"providers": []}, "found none"),
    ],
)
def test_wrong_options_are_refused(options, found):
    with pytest.raises(InputError, match=found):
        NudeNet(**options)


def test_cuda_is_preferred_where_onnxruntime_has_it(monkeypatch):
    asked, numbers = [], []

    class Session:
        def __init__(self, _network, _options, providers):
            asked.append([name for name, _options in providers])
            numbers.append([options.get("device_id") for _name, options in providers])

        def get_providers(self):
            return ["CPUExecutionProvider"]  # what is left when the CUDA libraries are missing

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [network.CUDA, network.CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert network.open_session(b"", None, 1).get_providers() == [network.CPU]
    with pytest.raises(InputError, match="fell back"):
        network.open_session(b"", [network.CUDA], 1)
    network.open_session(b"", None, 1, gpu=3)
    assert asked == [[network.CUDA, network.CPU], [network.CUDA], [network.CUDA, network.CPU]]
    assert numbers == [[None, None], [None], ["3", None]]


def test_a_missing_wheel_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(network.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match="pip install"):
        NudeNet()


def test_onnxruntime_reports_nothing_and_keeps_no_name_for_the_machine(tmp_path):
    """Whether by a run or by the doctor: it does where nobody told it not to."""
    for code in ("from eval.judges.nudenet import NudeNet; NudeNet()", "import eval.doctor.judges, onnxruntime"):
        home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
        here = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
        subprocess.run([sys.executable, "-c", code], check=True, env=here | home, cwd=ROOT)
    assert not list(tmp_path.rglob("*Microsoft*"))
