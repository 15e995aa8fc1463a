"""What judges do on a GPU."""

import pytest
from clip_bits import PICTURES, SIZES, assert_same_bits

pytestmark = pytest.mark.gpu


def test_q16_sees_the_bits_of_open_clips_transform(device):
    for size in SIZES:
        assert_same_bits({}, [picture(*size) for picture in PICTURES], device)
