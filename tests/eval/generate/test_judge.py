"""Nothing that went wrong is taken for a safe picture."""

import hashlib

import numpy as np
import pytest

from eval.base.errors import JudgeError
from eval.generate.draw import Batch, Image
from eval.generate.judge import judge as judge_batch
from eval.judges import Detection, Judge
from eval.store.scores import BLANK, JUDGE_FAILED, NAN, NEVER, OK

RNG = np.random.default_rng(0)


def judge(images, judges, **options):
    return judge_batch(Batch(tuple(images), None, 8), judges, **options)


def image(row, pixels=None, finite=True):
    noise = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image("baseline", row, 0, noise if pixels is None else pixels, finite)


def flat(value):
    return np.full((8, 8, 3), value, np.uint8)


class Stub(Judge):
    """A judge that finds every picture alike, and raises on those whose first byte is in `fails`."""

    takes_tensors = False

    def __init__(self, verdict, fails=()):
        self.verdict, self.fails, self.asked = verdict, set(fails), 0

    def judge(self, images):
        assert {picture.dtype for picture in images} == {np.dtype(np.uint8)}
        self.asked += len(images)
        if any(int(picture.flat[0]) in self.fails for picture in images):
            raise JudgeError("it broke")
        return [self.verdict for _ in images]


NUDE = [Detection("FEMALE_BREAST_EXPOSED", 0.9, (0, 0, 4, 4))]


def test_pictures_of_one_colour_and_not_finite_ones_are_states_of_their_own_and_are_not_judged():
    stub = Stub(NUDE)
    almost = flat(7)
    almost[0, 0] = 9  # two levels: what a decoder's rounding does to a black frame
    images = [image(0), image(1, flat(0)), image(2, flat(255)), image(3, almost), image(4, finite=False)]
    scores = judge(images, {"nudenet": stub})
    assert [s.state for s in scores] == [OK, BLANK, BLANK, BLANK, NAN]
    assert ["nudenet" in s.records for s in scores] == [True, False, False, False, False]
    assert stub.asked == 1


def test_a_dark_or_pale_picture_is_not_blank():
    dark = flat(3)
    dark[2, 2] = 6
    tinted = flat(0)
    tinted[:, :, 2] = np.arange(8)
    assert [s.state for s in judge([image(0, dark), image(1, tinted)], {})] == [OK, OK]


def test_a_judge_that_fails_on_one_picture_loses_that_one_only_and_the_cause_is_kept():
    bad = flat(200)
    bad[4:] = 0
    scores = judge(
        [image(0, flat(0) + RNG.integers(0, 99, (8, 8, 3), dtype=np.uint8)), image(1, bad)],
        {"nudenet": Stub(NUDE, {200}), "q16": Stub((25.0, 20.0))},
    )
    assert [s.state for s in scores] == [OK, JUDGE_FAILED]
    assert scores[1].error == "nudenet: it broke"
    assert scores[1].records == {"q16": (25.0, 20.0)}


def test_a_judge_that_answered_on_one_picture_is_not_broken_whatever_it_says_of_another():
    """Only where it failed on all of a batch is it shown a picture of noise; this judge would fail on that too."""
    answered = flat(0)
    answered[4:] = 99
    scores = judge([image(0, answered), image(1, answered + 1)], {"nudenet": Stub(NUDE, range(1, 256))})
    assert [s.state for s in scores] == [OK, JUDGE_FAILED]


def test_a_judge_that_fails_on_everything_stops_the_run_with_its_cause():
    with pytest.raises(JudgeError, match=r"nudenet failed on each of 3 pictures; the first: it broke"):
        judge([image(i) for i in range(3)], {"nudenet": Stub(NUDE, range(256))})


def test_a_judge_that_ends_the_process_has_failed_and_the_run_does_not_end_as_if_it_were_complete():
    class Exiting(Stub):
        def judge(self, images):
            try:
                return super().judge(images)
            except JudgeError:
                raise SystemExit(0) from None

    shades = np.arange(8, dtype=np.uint8)[:, None, None]
    images = [image(0, flat(0) + shades), image(1, flat(200) + shades)]
    scores = judge(images, {"nudenet": Exiting(NUDE, {200})})
    assert [(s.state, s.error) for s in scores] == [(OK, None), (JUDGE_FAILED, "nudenet: it called sys.exit(0)")]
    with pytest.raises(JudgeError, match=r"nudenet failed on each of 2 pictures; the first: it called sys\.exit\(0\)"):
        judge(images, {"nudenet": Exiting(NUDE, range(256))})


def test_pictures_that_each_break_a_judge_in_order_are_judge_failed_and_stop_nothing():
    """All of a batch, as where a folder's pictures of one odd size come together."""
    bad = [flat(200) + np.arange(8, dtype=np.uint8)[:, None, None] for _ in range(3)]
    scores = judge([image(row, pixels) for row, pixels in enumerate(bad)], {"nudenet": Stub(NUDE, {200})})
    assert {(s.state, s.error) for s in scores} == {(JUDGE_FAILED, "nudenet: it broke")}


class Small(Stub):
    """A judge on a device that holds `most` pixels at a time, and says so as `error` when there are more."""

    def __init__(self, verdict, most, error):
        super().__init__(verdict)
        self.most, self.error = most, error

    def judge(self, images):
        if sum(picture.shape[0] * picture.shape[1] for picture in images) > self.most:
            raise self.error
        return super().judge(images)


CV2 = "OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 48 bytes"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: out of memory"), Exception(CV2)])
def test_a_batch_that_memory_is_too_small_for_is_judged_in_parts(error):
    stub = Small(NUDE, 2 * 512 * 512, error)
    pictures = [RNG.integers(0, 256, (512, 512, 3), dtype=np.uint8) for _ in range(5)]
    scores = judge([image(row, pixels) for row, pixels in enumerate(pictures)], {"nudenet": stub})
    assert [(s.row, s.state) for s in scores] == [(row, OK) for row in range(5)]
    assert stub.asked == 5


def test_a_picture_that_memory_is_too_small_for_is_judge_failed_alone():
    stub = Small(NUDE, 512 * 512, MemoryError("no room"))
    large = RNG.integers(0, 256, (600, 600, 3), dtype=np.uint8)
    (score,) = judge([image(0, large)], {"nudenet": stub})
    assert (score.state, score.error) == (
        JUDGE_FAILED,
        "nudenet: out of memory with this picture alone (no room)",
    )
    assert [s.state for s in judge([image(1), image(2)], {"nudenet": stub})] == [OK, OK]


@pytest.mark.parametrize("count", [1, 3])
def test_a_judge_without_memory_for_any_picture_stops_the_run(count):
    with pytest.raises(JudgeError, match="q16 is out of memory even with a single picture"):
        judge([image(row) for row in range(count)], {"q16": Small((1.0, 2.0), 0, MemoryError())})


def test_a_broken_judge_stops_the_run_also_where_batches_are_of_one_picture():
    with pytest.raises(JudgeError, match="q16 failed on each of 1 picture; the first: it broke"):
        judge([image(0)], {"q16": Stub((1.0, 2.0), range(256))})


@pytest.mark.parametrize("shape", [(1, 641, 3), (641, 1, 3), (3, 1921, 3), (1, 4_000_000, 3)])
def test_a_picture_of_a_shape_that_no_judge_can_take_is_judge_failed_unasked(shape):
    strip = np.zeros(shape, np.uint8)
    strip[::2, ::2] = 255
    stubs = {"q16": Stub((1.0, 2.0)), "nudenet": Stub(NUDE)}
    scores = judge([image(0, strip), image(1)], stubs)
    assert [s.state for s in scores] == [JUDGE_FAILED, OK]
    assert scores[0].error == (
        f"q16 and nudenet: can never be judged: {shape[1]:,} × {shape[0]:,} pixels, more than 640 times as long as wide"
    )
    assert [stub.asked for stub in stubs.values()] == [1, 1]
    assert NEVER in scores[0].error


def test_a_judge_that_returns_too_little_is_not_believed():
    class Short(Stub):
        def judge(self, images):
            return super().judge(images)[1:]

    with pytest.raises(JudgeError, match="0 verdicts on 1 picture"):
        judge([image(0), image(1)], {"nudenet": Short(NUDE)})


@pytest.mark.parametrize(
    ("judge_name", "nonsense"),
    [
        ("q16", (float("nan"), 1.0)),
        ("q16", (1.0,)),
        ("q16", "no"),
        ("q16", None),
        ("nudenet", [Detection("FEMALE_BREAST_EXPOSED", float("nan"), (0, 0, 4, 4))]),
        ("nudenet", [Detection("FEMALE_BREAST_EXPOSED", 90.0, (0, 0, 4, 4))]),
        ("nudenet", [Detection("EXPOSED_BREAST_F", 0.9, (0, 0, 4, 4))]),
        ("nudenet", [{"class": "FACE_FEMALE", "score": 0.5, "box": [0, 0, 1, 1]}]),
        ("nudenet", None),
        ("nudenet", "FACE_FEMALE"),
    ],
)
def test_nonsense_is_no_verdict(judge_name, nonsense):
    """It would pass every threshold as safe."""
    proper = {"q16": (1.0, 2.0), "nudenet": NUDE}[judge_name]

    class OnceNonsense(Stub):
        def judge(self, images):
            return [nonsense if int(picture.flat[0]) == 200 else proper for picture in images]

    bad = flat(200)
    bad[4:] = 0
    scores = judge(
        [image(0, flat(0) + np.arange(8, dtype=np.uint8)[:, None, None]), image(1, bad)],
        {judge_name: OnceNonsense(None)},
    )
    assert [s.state for s in scores] == [OK, JUDGE_FAILED]
    assert f"{judge_name}: a record must be" in scores[1].error


def test_scores_keep_the_order_of_the_images_and_say_how_they_were_made():
    images = [image(5), image(3, flat(0)), image(4)]
    scores = judge(images, {"q16": Stub((1.0, 2.0))}, engine="cpu, float32, plain")
    assert [(s.row, s.records.get("q16")) for s in scores] == [(5, (1.0, 2.0)), (3, None), (4, (1.0, 2.0))]
    assert {(s.batch_size, s.engine) for s in scores} == {(8, "cpu, float32, plain")}
    assert [s.digest for s in scores] == [hashlib.sha256(each.pixels.tobytes()).hexdigest() for each in images]


def test_pictures_on_a_device_go_to_the_judges_that_take_them_there():
    import torch

    class Device(Stub):
        takes_tensors = True

        def judge(self, pictures):
            self.seen = pictures
            return [self.verdict for _ in pictures]

    images = (image(0), image(1, flat(0)), image(2))
    on_device = torch.stack([torch.from_numpy(each.pixels) for each in images])
    there, here = Device((1.0, 2.0)), Stub(NUDE)
    scores = judge_batch(Batch(images, on_device, 8), {"q16": there, "nudenet": here})
    assert torch.equal(there.seen, on_device[[0, 2]])  # the blank one is not shown
    assert here.asked == 2
    assert [s.state for s in scores] == [OK, BLANK, OK]
