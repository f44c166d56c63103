"""`make bench` runs: every part of it once, briefly. What the figures come to is for the long run."""

from pathlib import Path

import pytest

from tests.benchmarks import backlog, draining, growing, performance
from tests.benchmarks.ground import Ratio


@pytest.mark.parametrize("part", ["receiver", "pipeline", "minio", "backlog"])
def test_a_part_of_the_benchmark_runs_against_real_peers_and_measures(part: str, tmp_path: Path) -> None:
    ratios = performance.measure(part, tmp_path, rounds=1, brief=True)
    assert ratios
    assert all(0 < value < float("inf") for ratio in ratios for value in ratio.rounds)


def test_the_figures_are_written_between_their_marks_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "performance.md"
    begin, end = performance.FIGURES
    document.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    monkeypatch.setattr(performance, "DOCUMENT", document)
    ratios = [Ratio("ours / theirs", ">= 2", [3.0, 1.0, 2.0])]
    performance.write(performance.table(ratios), performance.FIGURES, "make bench")
    performance.draw(ratios, tmp_path / "plot.svg")
    written = document.read_text()
    assert written.startswith(f"before\n{begin}\nWritten by `make bench` on 2")
    assert written.endswith(f"{end}\nafter\n")
    assert "old" not in written
    assert "| ours / theirs | >= 2 | 1 | **2** | 3 | 3 |" in written
    assert "<svg" in (tmp_path / "plot.svg").read_text()


def test_growth_is_measured_at_every_size(tmp_path: Path) -> None:
    lines = growing.measure(tmp_path, growing.BRIEF)
    rows = [line.strip("| ").split(" | ") for line in lines if line[:3] in ("| 1", "| 2", "| 4")]
    assert [row[0] for row in rows] == ["2,000", "1", "2", "20", "200", "400"]
    figures = [cell for row in rows for cell in row[1:] if cell != "-"]
    assert len(figures) == 2 + 2 * 2 + 1 + 2 * 2
    assert all(float(figure.replace(",", "")) > 0 for figure in figures)


def test_due_files_are_drained_at_every_size_on_both_databases(tmp_path: Path) -> None:
    lines = draining.measure(tmp_path, draining.BRIEF)
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith(("| sqlite", "| postgresql"))]
    sizes = [["200", "50"], ["200", "200"], ["400", "50"]]
    assert [row[:3] for row in rows] == [[name, *size] for name in ("sqlite", "postgresql") for size in sizes]
    assert all(float(row[3].replace(",", "")) > 0 for row in rows)


def test_what_waits_is_measured_at_every_size_on_each_database(tmp_path: Path) -> None:
    lines = backlog.measure(tmp_path, backlog.BRIEF)
    told = [line for line in lines if line.startswith(("| sqlite", "| postgresql"))]
    rows = [line.strip("| ").split(" | ") for line in told]
    sizes = [["200", "10"], ["400", "10"], ["largest / smallest", "target <= 2"]]
    assert [row[1:3] for row in rows if len(row) == 3 + len(backlog.QUESTIONS)] == sizes * 2
    assert len([row for row in rows if len(row) == 4]) == 2
    figures = [cell.strip("*") for row in rows for cell in row[3:]]
    assert all(float(figure) > 0 for figure in figures)
