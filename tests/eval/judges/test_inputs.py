import numpy as np
import pytest

from eval.base.errors import InputError
from eval.judges.inputs import check_pictures


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), "float32"),
        (np.zeros((2, 8, 8, 3), np.uint16), "uint16"),
        (np.zeros((8, 8, 3), np.uint8), r"\(8, 8, 3\)"),
        (np.zeros((2, 8, 8, 4), np.uint8), r"\(8, 8, 4\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"\(3, 8, 8\)"),
        ([np.zeros((8, 8), np.uint8)], r"\(8, 8\)"),
        ([np.zeros((8, 0, 3), np.uint8)], r"\(8, 0, 3\)"),
        ([[[[0, 0, 0]]]], "list"),
        (iter([]), "iterator"),
        ("picture.png", "str"),
    ],
)
def test_anything_but_rgb_bytes_is_refused_in_one_sentence(images, found):
    with pytest.raises(InputError, match=f"^(a picture|pictures) must .*found .*{found}.*: ") as error:
        check_pictures(images)
    assert "\n" not in str(error.value)


def test_the_message_names_the_picture():
    with pytest.raises(InputError, match="picture 1"):
        check_pictures([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.int16)])


def test_views_of_any_stride_are_read_as_they_look():
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    picture.flags.writeable = False
    (checked,) = check_pictures([picture[::-1, ::2, ::-1]])
    assert checked.flags.c_contiguous
    assert checked[0, 0].tolist() == picture[3, 0].tolist()[::-1]


def test_no_pictures_are_no_records():
    assert check_pictures([]) == []
    assert check_pictures(np.zeros((0, 8, 8, 3), np.uint8)) == []
