"""The table of NudeNet's bench, and that a judge with other results has none."""

import importlib
from types import SimpleNamespace

import pytest

from eval.judges import Detection


@pytest.fixture
def script():
    return importlib.import_module("bench_nudenet")


def test_ratios_are_medians_of_the_rounds_own(script, monkeypatch):
    monkeypatch.setattr(script, "machine", lambda: "a machine")
    timings = [
        script.Timing(1, script.DEFAULT, (0.2, 0.1, 0.4), (0.3, 0.1, 0.2)),
        script.Timing(1, script.OURS, (0.05, 0.1, 0.1), (0.01, 0.03, 0.02)),
        script.Timing(2, script.OURS, (0.01,) * 3, (0.01,) * 3),
    ]
    text = script.to_markdown(timings, 24, 3)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["cores", "detector", "ms per picture, median", "fastest", "CPU ms per picture", "time over ours"]
    assert rows[2:] == [
        ["1", script.DEFAULT, "200.0", "100.0", "200.0", "4.00"],  # of 4, 1 and 4
        ["1", script.OURS, "100.0", "50.0", "20.0", "1.00"],
        ["2", script.OURS, "10.0", "10.0", "10.0", "1.00"],
    ]
    assert "--images 24 --rounds 3`. Machine: a machine." in text


@pytest.mark.parametrize(
    "other",
    [
        [],
        [{"class": "FACE_MALE", "score": 0.5, "box": [1, 2, 3, 4]}],
        [{"class": "FACE_FEMALE", "score": 0.5, "box": [1, 2, 3, 5]}],
        [{"class": "FACE_FEMALE", "score": 0.50002, "box": [1, 2, 3, 4]}],
    ],
    ids=["none", "label", "box", "score"],
)
def test_detections_that_differ_end_the_bench(script, other):
    judged = [[Detection("FACE_FEMALE", 0.5, (1, 2, 3, 4))]]
    script.check_equal(judged, [[{"class": "FACE_FEMALE", "score": 0.500009, "box": [1, 2, 3, 4]}]])
    with pytest.raises(SystemExit, match="picture 0: the judge found "):
        script.check_equal(judged, [other])
    with pytest.raises(ValueError, match="zip"):
        script.check_equal(judged, [])


def test_pictures_are_photographs_and_drawn_ones_in_turn(script):
    pictures = script.make_pictures(4)
    assert [picture.shape for picture in pictures] == [(512, 512, 3), (512, 512, 3), (300, 451, 3), (512, 512, 3)]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_detectors_take_turns_and_their_results_are_compared(script, monkeypatch):
    now, turns, compared, sessions, cores = [0.0], [], [], [], []

    class Detector:
        def __init__(self):
            self.onnx_session = None

        def detect(self, picture):
            turns.append(script.DEFAULT if self.onnx_session is None else script.ONE_THREAD)
            now[0] += 1.0
            return []

    class Judge:
        def __init__(self, channels):
            assert channels == "bgr"

        def judge(self, pictures):
            turns.append(script.OURS)
            now[0] += 1.0
            return [[] for _ in pictures]

    def session(network, options):
        sessions.append(options.intra_op_num_threads)
        return "a session"

    clock = SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: 2 * now[0], sleep=lambda seconds: None)
    monkeypatch.setattr(script, "time", clock)
    monkeypatch.setattr("nudenet.NudeDetector", Detector)
    monkeypatch.setattr("eval.judges.nudenet.NudeNet", Judge)
    monkeypatch.setattr("onnxruntime.InferenceSession", session)
    monkeypatch.setattr(script.os, "sched_setaffinity", lambda number, chosen: cores.append(chosen))
    monkeypatch.setattr(script.os, "sched_getaffinity", lambda number: {5, 3, 4})
    monkeypatch.setattr(script, "check_equal", lambda ours, theirs: compared.append((len(ours), len(theirs))))
    timings = script.measure(2, 2, 3)
    assert cores == [[3, 4]]
    assert sessions == [1]
    assert compared == [(2, 2), (2, 2)]
    default, one = [script.DEFAULT] * 2, [script.ONE_THREAD] * 2
    first, second, third = [*default, *one, script.OURS], [*one, script.OURS, *default], [script.OURS, *default, *one]
    assert turns == first + first + second + third  # the first are the warm-up
    assert timings == [
        script.Timing(2, script.DEFAULT, (1.0,) * 3, (2.0,) * 3),
        script.Timing(2, script.ONE_THREAD, (1.0,) * 3, (2.0,) * 3),
        script.Timing(2, script.OURS, (0.5,) * 3, (1.0,) * 3),
    ]
