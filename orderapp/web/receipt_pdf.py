"""A receipt as PDF, made with fpdf2 when somebody asks for it.

The fonts have the letters of Latin, Greek, Cyrillic, Armenian and Georgian; other characters are printed as a box.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from orderapp.config import PACKAGE
from orderapp.web.receipt import Receipt

if TYPE_CHECKING:
    from fpdf import FPDF

FONTS = PACKAGE / "fonts"
FONT, BOX = "DejaVu", "\N{WHITE SQUARE}"
SIZE, LARGE, SMALL = 10, 20, 8.5  # points
LINE = 5.5  # millimetres
WIDTHS = (88, 22, 30, 30)  # of the columns, in shares of the page
SUM_WIDTHS = (140, 30)


def pdf_of(receipt: Receipt, language: str) -> bytes:
    """Return the receipt as a PDF of one or more pages in A4.

    Args:
        receipt: What it says.
        language: The language's code, which the file names for screen readers.
    """
    from fpdf import FPDF  # noqa: PLC0415 - it fills 19 MB, in processes that are asked for a receipt only

    pdf = FPDF(format="A4")
    pdf.set_title(f"{receipt.title} {receipt.facts[0][1]}")
    pdf.set_lang(language.replace("_", "-"))
    pdf.add_font(FONT, "", FONTS / "DejaVuSans.ttf")
    pdf.add_font(FONT, "B", FONTS / "DejaVuSans-Bold.ttf")
    pdf.set_margin(20)
    pdf.add_page()
    _head(pdf, receipt)
    _table(pdf, receipt)
    if receipt.tax:
        pdf.set_font(FONT, size=SMALL)
        pdf.multi_cell(0, LINE, printable(receipt.tax), align="R", new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


def printable(text: str) -> str:
    """Return a text with a box in place of each character that the fonts don't have."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if ord(one) in _known() else BOX for one in composed)


@cache
def _known() -> frozenset[int]:
    from fontTools.ttLib import TTFont  # noqa: PLC0415 - the same

    with TTFont(FONTS / "DejaVuSans.ttf") as regular, TTFont(FONTS / "DejaVuSans-Bold.ttf") as bold:
        return frozenset(regular.getBestCmap()) & frozenset(bold.getBestCmap())


def _head(pdf: FPDF, receipt: Receipt) -> None:
    name, *lines = receipt.seller
    pdf.set_font(FONT, "B", SIZE)
    pdf.multi_cell(0, LINE, printable(name), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(FONT, size=SMALL)
    for line in lines:
        pdf.multi_cell(0, LINE, printable(line), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(2 * LINE)
    pdf.set_font(FONT, "B", LARGE)
    pdf.multi_cell(0, 2 * LINE, printable(receipt.title), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(LINE)
    pdf.set_font(FONT, size=SIZE)
    for label, text in receipt.facts:
        pdf.cell(40, LINE, printable(label))
        pdf.multi_cell(0, LINE, printable(text), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(LINE)


def _table(pdf: FPDF, receipt: Receipt) -> None:
    aligned = ("LEFT", "RIGHT", "RIGHT", "RIGHT")
    with pdf.table(
        borders_layout="HORIZONTAL_LINES", col_widths=WIDTHS, text_align=aligned, line_height=LINE, padding=1
    ) as table:
        for texts in (receipt.columns, *receipt.rows):
            table.row([printable(text) for text in texts])
    pdf.ln(LINE / 2)
    with pdf.table(
        borders_layout="NONE", col_widths=SUM_WIDTHS, text_align="RIGHT", line_height=LINE, first_row_as_headings=False
    ) as table:
        for label, amount in receipt.sums[:-1]:
            table.row([printable(label), printable(amount)])
        pdf.set_font(FONT, "B", SIZE)
        table.row([printable(text) for text in receipt.sums[-1]])
