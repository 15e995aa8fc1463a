"""The script behind the numbers of the demo's text network writes its tables, which hold the direction."""

import pytest

from scripts import measure_demo_text


@pytest.mark.long
def test_its_tables_name_their_command_and_noise_comes_last(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["measure_demo_text.py", "--pictures", "21", "--out", str(tmp_path / "text.md")])
    measure_demo_text.main()
    text = (tmp_path / "text.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert "`python scripts/measure_demo_text.py --pictures 21`: 21 rendered pictures" in text
    cells = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in text.splitlines() if "|" in line}
    assert float(cells["subject"]) >= 90
    own, half, noise = (
        float(cells[name])
        for name in (
            "a picture and its caption",
            "a picture mixed with as much noise, and its caption",
            "noise and a caption",
        )
    )
    assert noise < half < own
