"""Score parts become one table; what later judges said is merged as a loop over all rows merges it."""

from hypothesis import given, settings
from hypothesis.strategies import booleans, integers, lists, sampled_from, tuples
from judged import judged

from eval.store.merged import LATER, Part, Unjudged, merge
from eval.store.scores import JUDGE_FAILED, OK, STORED, to_table

JUDGES = ("q16", "nudenet")
COLUMNS = ("state", "error", "q16_safe", "detections", "environment")
ROWS = tuples(integers(0, 2), sampled_from("ab"), sampled_from([OK, OK, JUDGE_FAILED]), integers(0, 99))
PARTS = lists(tuples(booleans(), sampled_from([("q16",), JUDGES]), lists(ROWS, min_size=1, max_size=3)), max_size=6)


def part(later, names, rows, number):
    scores = []
    for row, digest, state, value in rows:
        q16 = (value, number) if "q16" in names and state == OK else None
        detections = [] if "nudenet" in names and state == OK else None
        error = None if state == OK else f"part {number}"
        scores.append(judged("m", row, 0, state, digest=digest, q16=q16, detections=detections, error=error))
    table = to_table(scores)
    made_in = [f"e{number}"] * table.num_rows
    return Part(table.append_column(STORED.field("environment"), [made_in]), frozenset(names), later)


def by_hand(parts):
    """Row → its state, records, and where it was drawn and judged later; and the judges that each row lacks."""
    base, later = {}, {}
    for each in parts:
        for row in each.table.to_pylist():
            place, ok = row["row"], row["state"] == OK
            if each.later:
                for name in each.judges:
                    if ok or later.get((place, row["digest"], name), {"state": ""})["state"] != OK:
                        later[place, row["digest"], name] = row
            elif ok or base.get(place, ({"state": ""},))[0]["state"] != OK:
                base[place] = row, each.judges
    table, lacking = {}, {}
    for place, (row, names) in base.items():
        merged, complete, judged_in = dict(row), True, None
        for name in JUDGES:
            if row["state"] != OK or name in names:
                continue
            record = later.get((place, row["digest"], name))
            if record is None or record["state"] != OK:
                lacking.setdefault(place, []).append(name)
            if record is None:
                complete = False
                continue
            for column in ("q16_safe",) if name == "q16" else ("detections",):
                merged[column] = record[column]
            judged_in = record["environment"]
            if record["state"] != OK:
                merged |= {"state": record["state"], "error": record["error"]}
        if complete:
            table[place] = *(merged[name] for name in COLUMNS), judged_in
    return table, {key: (base[key][0]["digest"], tuple(names)) for key, names in lacking.items()}


@given(PARTS)
@settings(max_examples=100, deadline=None)
def test_parts_are_merged_as_by_hand(described):
    parts = [part(*each, number) for number, each in enumerate(described)]
    stored = merge(parts, JUDGES)
    rows = stored.table.to_pylist()
    table, lacking = by_hand(parts)
    assert {row["row"]: (*(row[name] for name in COLUMNS), row.get(LATER)) for row in rows} == table
    assert len(rows) == len(table)
    assert {key.row: (each.digest, each.judges) for key, each in stored.unjudged.items()} == lacking
    assert all(isinstance(each, Unjudged) for each in stored.unjudged.values())
