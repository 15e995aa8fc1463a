"""A row of a table by name."""

from dataclasses import asdict, dataclass

from eval.base.flat import flat


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
