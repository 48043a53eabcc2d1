"""Draws the core's structure from its imports: `python tools/docs/structure.py`. Tests check what it writes.

It writes docs/pictures/structure.svg, and in docs/design.md the table between the two comments that name this script.
`python tools/docs/structure.py --lines` prints the core's lines of code instead.

The layers are those of `[tool.importlinter]` in pyproject.toml. The arrows are the imports that are there, also those
inside functions and under `TYPE_CHECKING`.
"""

import ast
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
CORE = "upscaler_core"
PICTURE = ROOT / "docs" / "pictures" / "structure.svg"
PAGE = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- written by tools/docs/structure.py -->\n", "<!-- end of what it writes -->\n"

STEP = 46
"""Pixels from one room to the next, to the right."""
ROW = 42
"""Pixels from one room to the next within a layer, downwards."""
GAP = 14
"""Pixels between two layers."""
BOX_WIDTH, BOX_HEIGHT = 82, 28
WIDTH = 1000
WRAP = 60
"""Characters in a line of a room's text."""


def layers() -> list[list[str]]:
    """The rooms of each layer, the upper layers first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (order,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in order]


def imports() -> dict[str, set[str]]:
    """The rooms that each room imports."""
    graph = grimp.build_graph(CORE, cache_dir=None)
    rooms = {child.rpartition(".")[2]: child for child in graph.find_children(CORE)}
    return {
        room: {
            other
            for other, target in rooms.items()
            if other != room and graph.direct_import_exists(importer=module, imported=target, as_packages=True)
        }
        for room, module in rooms.items()
    }


def purpose(room: str) -> str:
    """The first line of a room's docstring."""
    path = ROOT / CORE / room / "__init__.py"
    path = path if path.exists() else ROOT / CORE / f"{room}.py"
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def picture() -> str:
    """The structure as SVG: the rooms are steps of a stair, and each line is an import from a room to one below it."""
    arrows, bands, y = imports(), [], GAP
    place: dict[str, tuple[int, int]] = {}
    for layer in layers():
        height = len(layer) * ROW
        bands.append(f'<rect x="{GAP}" y="{y}" width="{WIDTH - 2 * GAP}" height="{height}" rx="6"/>')
        for row, room in enumerate(layer):
            place[room] = (2 * GAP + len(place) * STEP, y + row * ROW + (ROW - BOX_HEIGHT) // 2)
        y += height + GAP
    lines = [line for room in place for line in _lines(room, arrows, place)]
    boxes = [f'<rect x="{x}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>' for x, top in place.values()]
    names = [f'<text x="{x + BOX_WIDTH // 2}" y="{top + 19}">{escape(room)}</text>' for room, (x, top) in place.items()]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="13">',
        "<title>The rooms of upscaler_core, in layers, and what each imports</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>',
        _group('fill="#f1f3f5"', bands),
        _group('fill="none" stroke="#555" stroke-width="1.3"', [line for line in lines if "circle" not in line]),
        _group('fill="#2b6cb0"', [line for line in lines if "circle" in line]),
        _group('fill="#eaf2fb" stroke="#2b6cb0" stroke-width="1.5"', boxes),
        _group('fill="#111" font-weight="bold" text-anchor="middle"', names),
        _group('fill="#333"', [line for room, xy in place.items() for line in _text(room, *xy)]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lines(room: str, arrows: dict[str, set[str]], place: dict[str, tuple[int, int]]) -> Iterator[str]:
    """A trunk down from a room to the last one that it imports, and a way into the room from all that import it."""
    x, top = place[room]
    down, middle = x + STEP // 2, top + BOX_HEIGHT // 2
    targets = [place[other][1] + BOX_HEIGHT // 2 for other in arrows[room]]
    if targets:
        yield f'<path d="M{down} {top + BOX_HEIGHT}V{max(targets)}"/>'
    sources = [place[other][0] + STEP // 2 for other in arrows if room in arrows[other]]
    if sources:
        yield f'<path d="M{min(sources)} {middle}H{x}" marker-end="url(#tip)"/>'
    yield from (f'<circle cx="{source}" cy="{middle}" r="3.5"/>' for source in sorted(sources))


def _text(room: str, x: int, top: int) -> Iterator[str]:
    """A room's purpose beside its box, in at most two lines."""
    lines = textwrap.wrap(purpose(room), WRAP, max_lines=2, placeholder=" …")
    for number, line in enumerate(lines):
        y = top + 19 + 16 * number - 8 * (len(lines) - 1)
        yield f'<text x="{x + BOX_WIDTH + 12}" y="{y}">{escape(line, quote=False)}</text>'


def _group(attributes: str, elements: list[str]) -> str:
    return "\n".join([f"<g {attributes}>", *elements, "</g>"])


def table() -> str:
    """The same as text: each room, its layer, counted from below, and what it imports."""
    arrows, order = imports(), layers()
    rooms = [(len(order) - above, room) for above, layer in enumerate(order) for room in layer]
    rows = [
        f"| {height} | `{room}` | {', '.join(f'`{other}`' for _, other in rooms if other in arrows[room]) or '—'} |"
        for height, room in rooms
    ]
    return "\n".join(["| layer | room | imports |", "|---|---|---|", *rows]) + "\n"


def page() -> str:
    """The design page with the table as it is now."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    return head + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def core_lines() -> int:
    """Lines of the core's code, without `cli` and `testing`; blank lines, comments and docstrings are not counted."""
    files = [path for path in (ROOT / CORE).rglob("*.py") if not {"cli", "testing"} & set(path.relative_to(ROOT).parts)]
    return sum(code_lines(path) for path in files)


def code_lines(path: Path) -> int:
    """Lines of a file that hold code; strings that stand alone, as docstrings do, are none."""
    text = path.read_text()
    documentation = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return sum(line != "" and not line.startswith("#") and number not in documentation for number, line in lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["--lines"]:
        sys.stdout.write(f"{core_lines()}\n")
    else:
        PICTURE.write_text(picture())
        PAGE.write_text(page())
