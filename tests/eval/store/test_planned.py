"""The images that a run is to have: all methods of all rows, or those that a table names; what is left of them."""

import pytest

from eval.base.image_key import ImageKey
from eval.store.planned import PlannedImages

METHODS, ROWS = ("sld_max", "baseline"), (7, 2, 5)
WHOLE = PlannedImages(METHODS, ROWS, 2)
NAMED = frozenset(
    ImageKey(*key) for key in [("baseline", 7, 0), ("sld_max", 2, 0), ("sld_max", 2, 4), ("sld_max", 7, 1)]
)
TABLE = PlannedImages(METHODS, ROWS, 5, NAMED)


def test_every_method_has_every_image_of_every_row_in_the_order_of_the_run():
    assert list(WHOLE) == [(m, r, k) for m in METHODS for r in ROWS for k in (0, 1)]
    assert len(WHOLE) == 12
    assert WHOLE.count("baseline", {7, 5}) == 4
    assert WHOLE.images_of(5) == [0, 1]


def test_a_table_names_its_images_and_no_others():
    assert list(TABLE) == [("sld_max", 7, 1), ("sld_max", 2, 0), ("sld_max", 2, 4), ("baseline", 7, 0)]
    assert len(TABLE) == 4
    assert [TABLE.images_of(row) for row in ROWS] == [[0, 1], [0, 4], []]
    assert [TABLE.count(method, {7, 2}) for method in METHODS] == [3, 1]


@pytest.mark.parametrize("images", [WHOLE, TABLE], ids=["whole", "table"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_shards_part_the_images_by_row_and_lose_none(images, count):
    shards = [images.shard(index, count) for index in range(count)]
    assert sorted(key for shard in shards for key in shard) == sorted(images)
    assert sum(map(len, shards)) == len(images)
    for index, shard in enumerate(shards):
        assert {key.row for key in shard} <= {row for n, row in enumerate(sorted(ROWS)) if n % count == index}
        assert all((key in shard) == (key in set(shard)) for key in images)


@pytest.mark.parametrize("images", [WHOLE, TABLE], ids=["whole", "table"])
def test_what_is_left_is_what_is_not_done_whatever_else_is(images):
    done = {*list(images)[1:3], ImageKey("another run's", 7, 0)}
    assert images.missing(done) == [key for key in images if key not in done]
    assert len(images.missing(done)) == len(images) - 2
    assert images.missing(set()) == list(images)


@pytest.mark.parametrize("key", [("sld_weak", 7, 0), ("baseline", 3, 0), ("baseline", 7, 2), ("baseline", 7, -1)])
def test_an_image_of_another_method_row_or_number_is_none_of_the_run(key):
    assert ImageKey(*key) not in WHOLE
    assert ImageKey(*key) not in TABLE
