"""The summary of a run as one HTML file, pictures within: nothing is fetched to read it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from sparkperso.jobs.demo.summary import RunSummary

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .75rem 0 .25rem; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.best { background: var(--soft); font-weight: 600; }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; height: auto; background: #fff; }
td:last-child:not(.number) { min-width: 16rem; }
nav a { margin-right: 1rem; }
"""  # noqa: E501
WORDS = {
    "dendrogram": "How segments join into larger ones",
    "flows": "Who went where since the run before",
    "overlaps": "Users that two segments share",
    "profiles": "Segment means, coloured by their difference from all users",
    "scatter": "Users on two principal components, one colour per segment",
    "search": "The search for the number of segments",
    "sizes": "Sizes of the segments by run",
}


def write_page(summary: RunSummary, pictures: Path, target: Path) -> Path:
    """Writes the page, with the PNG files of a folder within it, and returns its path.

    Texts are escaped; the page fetches nothing, so that it can be sent on as one file.
    """
    title = "What came of this run"
    parts = [
        f"<h1>{title}</h1>",
        f"<p>As of {escape(summary.as_of) or 'the latest event'}. "
        f"Champion: {escape(summary.champion) or 'none yet'}.</p>",
        '<nav aria-label="Contents"><a href="#steps">Steps</a><a href="#models">Models</a>'
        '<a href="#segments">Segments</a><a href="#lists">Lists</a></nav>',
        '<h2 id="steps">Steps</h2>',
        _table(
            ("step", "status", "seconds", "figures"),
            ((s.name, s.status, f"{s.seconds:.1f}", s.text) for s in summary.steps),
        ),
        '<h2 id="models">Models on the test</h2>',
        _leaderboard(summary),
        '<h2 id="segments">Segments</h2>',
        _table(
            ("segment", "users", "label", "what distinguishes it"),
            ((s.segment_id, f"{s.size:,}", s.label, s.sentence) for s in summary.segments),
        ),
        *(_figure(path) for path in sorted(pictures.glob("*.png"))),
        '<h2 id="lists">Lists of some users</h2>',
        *(
            _table(
                ("rank", "item", "title", "score", "strategy"),
                ((str(i.rank), i.item_id, i.title, f"{i.score:.3f}", i.strategy) for i in items),
                caption=f"Customer {user}",
            )
            for user, items in summary.lists.items()
        ),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )
    target.write_text(page, encoding="utf-8")
    return target


def _leaderboard(summary: RunSummary) -> str:
    """The models in order of the metric that decides, the best one marked."""
    metrics = sorted({name for values in summary.leaderboard.values() for name in values})
    columns = [name for name in metrics if name.startswith(("ndcg", "map", "mrr"))]
    columns += [name for name in metrics if name.startswith(("hit", "recall", "cover", "novel"))]
    if not summary.leaderboard or not columns:
        return "<p>No model has been tested yet.</p>"
    main = summary.metric if summary.metric in metrics else columns[0]
    columns = [main, *(name for name in columns if name != main)]
    order = sorted(summary.leaderboard.items(), key=lambda pair: (-pair[1].get(main, 0.0), pair[0]))
    rows = [(name, *(_number(values.get(m)) for m in columns)) for name, values in order]
    return _table(("model", *columns), rows, best=0)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str = "",
    best: int | None = None,
) -> str:
    """Columns whose cells are all numbers stand to the right."""
    lines = [list(row) for row in rows]
    marks = [
        ' class="number"' if lines and all(_is_number(row[n]) for row in lines) else ""
        for n in range(len(headings))
    ]
    head = "".join(
        f'<th scope="col"{mark}>{escape(text)}</th>'
        for mark, text in zip(marks, headings, strict=True)
    )
    body = "".join(
        ('<tr class="best">' if number == best else "<tr>")
        + "".join(f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(marks, row, strict=True))
        + "</tr>\n"
        for number, row in enumerate(lines)
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{title}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>"
    )


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").lstrip("-–").isdigit() or text == "–"


def _figure(path: Path) -> str:
    """A picture, named `<segmentation>-<kind>.png`, with words for whoever cannot see it."""
    segmentation, _, kind = path.stem.rpartition("-")
    words = f"{WORDS.get(kind, kind)}: {segmentation or path.stem}"
    data = base64.b64encode(path.read_bytes()).decode()
    text = escape(words)
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{text}" loading="lazy">'
        f"<figcaption>{text}</figcaption></figure>"
    )
