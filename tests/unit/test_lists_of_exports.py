"""Cells of messages.csv, as a spreadsheet would take them."""

import pytest

from mmsvault.exporting.tables import safe

EXCEL_HOLDS = 32_767


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "0123",
            "007",
            "00",
            "123456789012",
            "14085550123 28444",
            "1E5",
            "12e400",
            "0.50",
            "1,5",
            "(5)",
            "5%",
        ),
        *(
            "1-2",
            "1/2",
            "2026-11-20",
            "12:30",
            "3 Mar",
            "MAR1",
            "Jan 5, 2026",
            "5 p",
            "10:30 AM",
            "true",
            "FALSE",
        ),
        *("$5", "5 \u20ac", " 0123", "1_000"[:1] + "\u00a0000", "+14085550123", "=1", "@x"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_change_is_marked_as_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "14085550123",
            "28444",
            "0",
            "31003",
            "",
            "storm",
            "2 boats at the pier",
            "May be later",
            "sinch-0123",
        ),
        *("2026-11-20T12:00:00Z", "Grüße 🐟", "no. 5", "...", "may day", "truest", "marina 5", "ab12" * 16),
    ],
)
def test_any_other_cell_stays_as_it_is(cell: str) -> None:
    assert safe(cell) == cell


@pytest.mark.parametrize("letter", ["x", "ü", "🐟", "0"])
def test_a_cell_that_is_cut_says_so_and_fits_in_a_spreadsheet(letter: str) -> None:
    cut = safe(letter * 40_000)
    assert cut.endswith("[cut here; 40,000 characters in messages.jsonl]")
    assert len(cut.encode("utf-16-le")) // 2 <= EXCEL_HOLDS
    assert cut.startswith(letter * 16_000)


def test_a_cell_that_just_fits_is_not_cut() -> None:
    assert safe("x" * 32_700) == "x" * 32_700
