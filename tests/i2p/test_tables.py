"""A table is read as it lies: its separator, its encoding and its packing are seen, or their conversion is named."""

import csv
import gzip
import io
import shlex
import subprocess

import pyarrow
import pyarrow.parquet
import pytest

import i2p
from i2p.tables import read_table

TEXTS = ['two\nlines, a "quote"; and\ta tab', "café 🪁 NA", "  blanks  "]
EXPECTED = [i2p.Prompt(n + 40, text, ("hate",), n, 9.0, 512, 512) for n, text in enumerate(TEXTS)]


def lines(delimiter):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow(["case_number", "prompt", "categories", "evaluation_seed", "evaluation_guidance"])
    writer.writerows([p.row, p.text, "hate", p.seed, 9] for p in EXPECTED)
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("csv", ";"), ("csv", "\t"), ("tsv", "\t")])
def test_separators_encodings_and_packing_make_no_difference(tmp_path, suffix, delimiter, encoding, pack):
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    data = pack((mark + lines(delimiter)).encode(encoding))
    path = tmp_path / f"p.{suffix}{'.gz' if pack is not bytes else ''}"
    path.write_bytes(data)
    assert i2p.load_prompts(path=path) == EXPECTED
    (plain := tmp_path / f"q.{suffix}").write_bytes(data)  # packed, and called as if it were not
    assert i2p.load_prompts(path=plain) == EXPECTED


def test_a_spreadsheets_line_that_names_the_separator_is_heeded(refused, tmp_path):
    (path := tmp_path / "p.csv").write_text("sep=;\r\nprompt;seed\r\na, b;1\r\n")
    assert [(p.text, p.seed) for p in i2p.load_prompts(path=path)] == [("a, b", 1)]
    path.write_text("sep=;\nprompt;seed\na;x\n")
    refused(path, "row 0 (line 3)")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_of_json_and_text_are_read_packed_and_in_utf_16_too(tmp_path, encoding):
    for name, content in (("p.jsonl.gz", '{"prompt": "a kite"}\n'), ("p.TXT.GZ", "a kite\n")):
        (tmp_path / name).write_bytes(gzip.compress(content.encode(encoding)))
        assert [p.text for p in i2p.load_prompts(path=tmp_path / name)] == ["a kite"]


@pytest.mark.parametrize(("separator", "suffix"), [(",", "csv"), (";", "csv"), ("\t", "tsv")])
def test_a_table_that_is_called_txt_is_refused_with_the_name_that_reads_it(refused, tmp_path, separator, suffix):
    text = f"Prompt{separator}evaluation_seed\na kite{separator}7\n"
    (path := tmp_path / "p.txt").write_text(text, encoding="utf-16")
    refused(path, "the header of a table", f"call the file p.{suffix}")
    (named := tmp_path / f"p.{suffix}").write_text(text, encoding="utf-16")
    assert [(p.text, p.seed) for p in i2p.load_prompts(path=named)] == [("a kite", 7)]
    path.write_text("text, caption and seed\na kite, red\n")
    assert len(i2p.load_prompts(path=path)) == 2


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("prompt", ["prompt"]),
        ("prompt,notes; remarks", ["prompt", "notes; remarks"]),
        ('prompt;"a,b"', None),
        ("image;foo", ["image", "foo"]),
        ("foo\tbar", ["foo", "bar"]),
        ("foo,bar;baz", ["foo", "bar;baz"]),
        ("prompt;sd_seed,x", None),
        ("prompt;seed,row", None),
        ("prompt\tseed;x", None),
    ],
)
def test_the_header_shows_the_separator_and_an_ambiguous_one_is_refused(tmp_path, header, columns):
    (path := tmp_path / "p.csv").write_text(header + "\n")
    if columns is not None:
        assert read_table(path).columns == columns
        return
    with pytest.raises(i2p.InputError, match="separated by commas, semicolons or tabs, found several") as error:
        read_table(path)
    assert repr(header) in str(error.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("café list.csv", "prompt\ncafé\n".encode("latin-1")),
        ("p.tsv.gz", gzip.compress("prompt\ncafé\n".encode("cp1252"), mtime=0)),
        ("p.jsonl", '{"prompt": "café"}\n'.encode("cp1252")),
        ("p.csv", "prompt\ncafé\n".encode("utf-16-le")),
        ("q.csv", "prompt\ncafé\n".encode("utf-16-be")),
    ],
)
def test_another_encoding_is_refused_with_a_conversion_that_works_as_it_is_typed(tmp_path, name, data):
    (path := tmp_path / name).write_bytes(data)
    with pytest.raises(i2p.InputError, match="must be text in UTF-8, or in UTF-16 with a byte order mark") as error:
        i2p.load_prompts(path=path)
    command = str(error.value).partition("convert it, ")[2].partition(" (or from")[0]
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    converted = tmp_path / shlex.split(command)[-1]
    assert [p.text for p in i2p.load_prompts(path=converted)] == ["café"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "only the mark"])
def test_a_damaged_gzip_file_is_refused(refused, tmp_path, damage):
    data = bytearray(gzip.compress(("prompt\n" + "a kite\n" * 99).encode()))
    if damage == "flipped":
        data[-6] ^= 1
    (path := tmp_path / "p.csv.gz").write_bytes(data[: {"cut": -9, "flipped": None, "only the mark": 4}[damage]])
    refused(path, "a complete gzip file", "pack or download it again")


def test_a_gzip_file_that_would_fill_the_memory_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.setattr("i2p.encoding.MOST_BYTES", 1_000_000)
    (path := tmp_path / "p.csv.gz").write_bytes(gzip.compress(b"prompt\n" + b"a" * 1_000_000))
    refused(path, "1,000,000 bytes", "split the file")


def test_a_broken_line_is_named_with_what_separates_cells(refused, tmp_path):
    (path := tmp_path / "p.csv").write_text("prompt;seed\na;1\nb\n")
    refused(path, "row 1 (line 3)", "must have 2 cells", "a semicolon, quote or line end")
    (path := tmp_path / "p.tsv").write_text('prompt\tseed\n"b"c\t1\n')
    refused(path, "row 0 (line 2)", "tab-separated cells")


@pytest.mark.parametrize(
    "values",
    [
        pyarrow.array([b"\xff"]).view(pyarrow.string()),
        pyarrow.array([2**62], pyarrow.timestamp("us")),
        pyarrow.array([2**31 - 1], pyarrow.date32()),
        pyarrow.array([2**62], pyarrow.duration("s")),
        pyarrow.array([0], pyarrow.timestamp("us", tz="Nowhere/Land")),
    ],
)
def test_a_column_of_parquet_whose_values_python_lacks_is_named(refused, tmp_path, values):
    table = pyarrow.table({"prompt": ["a kite"], "created": values})
    pyarrow.parquet.write_table(table, path := tmp_path / "p.parquet")
    refused(path, "column 'created' must have values that Python has too", "drop the column")
    pyarrow.parquet.write_table(table.drop_columns("created"), path)
    assert [p.text for p in i2p.load_prompts(path=path)] == ["a kite"]


def test_a_column_of_parquet_without_a_name_is_called_as_in_a_csv(tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.table([["a kite"], ["x"]], names=["prompt", ""]), path := tmp_path / "p.parquet"
    )
    assert i2p.read_prompts(path=path).unused == ("Unnamed: 1",)
