"""One self-contained HTML page: tables, and the frames with least and most of the source side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.quality import ablation, objects, sheets, store
from benchmarks.quality.figures import demands, tables
from benchmarks.quality.scale import CAVEAT, QUOTED

_SHOWN = 8
# With more cases than this each shows fewer frames, so that a browser can still open the page.
_FEW = 12
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #fbfbfd; --line: #d5d5dc; --soft: #62626c; --card: #ffffff }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --paper: #17171a; --line: #3a3a42; --soft: #a0a0ab; --card: #202025 } }
* { box-sizing: border-box }
body { margin: 2rem auto; max-width: 84rem; padding: 0 1rem; background: var(--paper); color: var(--ink) }
body { font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem } h3 { font-size: 1rem; margin-bottom: .4rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child { text-align: left }
tr.mean td { font-weight: 600; border-top: 2px solid var(--line) }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem }
figure { margin: 0; padding: .5rem; background: var(--card); border: 1px solid var(--line); border-radius: .4rem }
figure div { display: grid; grid-template-columns: 1fr 1fr; gap: .25rem } img { width: 100%; display: block }
figcaption, .soft { color: var(--soft); font-size: .85rem } code { font-size: .85rem; overflow-wrap: anywhere }
"""


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page, whole or not at all; raises RealtimeError where it cannot be written."""
    store.write(path, "".join(_parts(document)))


def _parts(document: Mapping[str, Any]) -> Iterable[str]:
    judges = [judge["name"] for judge in document["judges"]]
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>swapcam quality</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
    yield f"<h1>Quality of the swap</h1><p><code>{escape(report.command())}</code></p>"
    machine, versions = report.machine(), report.versions()
    facts = [*(f"{name} {value}" for name, value in machine.items()), *(f"{name} {value}" for name, value in versions.items())]
    yield f'<p class="soft">{escape(" · ".join(facts))}</p>'
    yield "".join(f"<p>Left out: {escape(trouble)}</p>" for trouble in document["troubles"])
    if document["call"]:
        yield f"<p>As it arrives through a video call at {escape(document['call'])}.</p>"
    for title, columns, lines in tables(document["rows"], judges):
        yield f"<h2>{escape(title)}</h2>{_table(columns, lines)}"
    yield "<h2>Scales and what others quote</h2><ul>"
    for judge in document["judges"]:
        known = judge["scale"]
        text = f"strangers {known['stranger']:.3f}, same person {known['same']:.3f}; {known['origin']}" if known else "not known"
        yield f"<li>{escape(judge['name'])}: {escape(text)} <span class=soft>sha256 {judge['sha256'][:16]}…</span></li>"
    yield "".join(f"<li>{escape(who)}: {escape(value)}</li>" for who, value in QUOTED)
    yield f'</ul><p class="soft">{escape(CAVEAT)}</p>'
    for title, columns, lines in demands(document):
        yield f"<h2>{escape(title)}</h2>{_table(columns, lines)}"
    if "occlusion" in document:
        yield f"<h2>Objects before the face</h2>{_table(*objects.table(document['occlusion']))}"
    if "ablation" in document:
        columns, lines = ablation.table(dict(document))
        yield f"<h2>Each part off by itself</h2>{_table(columns, lines)}"
    first = judges[0]
    yield f'<h2>Worst frames</h2><p class="soft">Least source and most target by {escape(first)}; target left, result right.</p>'
    yield _frames(document["rows"], "worst", first)
    yield f"<h2>Best frames</h2>{_frames(document['rows'], 'best', first)}"
    yield "<h2>Every case</h2>"
    wanted = 10 if len(document["rows"]) <= _FEW else 3
    for row in document["rows"]:
        spread = row["stills"]["spread"]
        shown = [spread[position] for position in sheets.evenly(len(spread), wanted)]
        title = f"{row['clip']} + {row['source']} ({row['engine']})"
        counts = f"{row['frames']} frames, {row['judged']} judged, {row['unseen']} measured without a face in the result"
        yield f'<h3>{escape(title)}</h3><p class="soft">{counts}</p>'
        yield f'<div class="frames">{"".join(_figure(row, position, first) for position in shown)}</div>'
    yield "</body></html>\n"


def _table(columns: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = ""
    for line in lines:
        mark = ' class="mean"' if str(line[0]).startswith("mean") else ""
        body += f"<tr{mark}>{''.join(f'<td>{escape(report.cell(value))}</td>' for value in line)}</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _frames(rows: Sequence[Mapping[str, Any]], kind: str, judge: str) -> str:
    """The most extreme frames of all cases, at most two of each while there are enough cases."""
    each = max(2, -(-_SHOWN // max(1, len(rows))))
    found = [(row, position) for row in rows for position in row["stills"][kind][:each]]
    found.sort(key=lambda pair: _margin(pair[0], pair[1], judge), reverse=kind == "best")
    return f'<div class="frames">{"".join(_figure(row, position, judge) for row, position in found[:_SHOWN])}</div>'


def _margin(row: Mapping[str, Any], position: int, judge: str) -> float:
    series = row["series"]
    return float(series[f"{judge}.source"][position] - series[f"{judge}.target"][position])


def _figure(row: Mapping[str, Any], position: int, judge: str) -> str:
    series, pictures = row["series"], row["stills"]["pictures"][str(position)]
    wanted = [name for name in ("source", "target", "distance") if f"{judge}.{name}" in series]
    numbers = ", ".join(f"{name} {series[f'{judge}.{name}'][position]:.3f}" for name in wanted)
    place = f"frame {series['index'][position]}, yaw {series['yaw'][position]:.0f}°"
    caption = f"{row['clip']} + {row['source']}, {place}: {numbers}"
    images = "".join(
        f'<img alt="{side}" src="data:image/jpeg;base64,{pictures[side]}" width="256" height="256">' for side in ("target", "result")
    )
    return f"<figure><div>{images}</div><figcaption>{escape(caption)}</figcaption></figure>"


__all__ = ["write"]
