"""A row of a table by name."""

from dataclasses import asdict, dataclass, field

from eval.base.flat import columns_of, flat


@dataclass(frozen=True)
class Row:
    name: str
    share: float | None
    names: tuple[str, ...] = ()

    @property
    def double(self):
        return 2 * self.share


def test_a_flat_rows_values_are_those_of_asdict_in_their_order():
    for row in (Row("hate", 0.25, ("a", "b")), Row("all", None)):
        assert list(flat(row).items()) == list(asdict(row).items())


@dataclass(frozen=True)
class Cost:
    distance: float | None = None


@dataclass(frozen=True)
class CostlyRow:
    name: str
    cost: Cost = Cost()
    images: int = field(default=0, kw_only=True)


def test_the_values_of_a_nested_row_stand_in_its_place():
    assert flat(CostlyRow("hate", Cost(0.5), images=2)) == {"name": "hate", "distance": 0.5, "images": 2}
    assert columns_of(CostlyRow) == list(flat(CostlyRow("all")))
