"""Tables in LaTeX (booktabs) and Markdown, with every text escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LATEX = {
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": r"$-$",
    "…": r"\ldots{}",
}


def latex_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], align: str, comment: str = ""
) -> str:
    """Return a `tabular` in booktabs' style: needs \\usepackage{booktabs}.

    Parameters
    ----------
    align : a letter per column: l, r or c.
    comment : put above the table; what a caption should say.
    """
    lines = [f"% {' '.join(comment.split())}"] if comment else []
    lines += [rf"\begin{{tabular}}{{{align}}}", r"\toprule", _latex_row(headers), r"\midrule"]
    lines += [_latex_row(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def markdown_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], align: str, comment: str = ""
) -> str:
    """Return a table in GitHub's Markdown; `comment` becomes a line below it."""
    rule = [":--" if letter == "l" else "--:" if letter == "r" else ":-:" for letter in align]
    lines = [_markdown_row(headers), f"| {' | '.join(rule)} |", *map(_markdown_row, rows)]
    if comment:
        lines += ["", _escape_markdown(" ".join(comment.split()))]
    return "\n".join([*lines, ""])


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    escaped = "".join(_LATEX.get(mark, mark) for mark in " ".join(text.split()))
    # A minus sign, not a hyphen.
    return re.sub(r"(?<![^\s(])-(?=\d)", "$-$", escaped)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escape_markdown(' '.join(cell.split())) for cell in cells)} |"


def _escape_markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|#])", r"\\\1", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
