"""Draws ```mermaid blocks as SVG while the site is built, without a browser and without a network (mermaidx)."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import mermaidx
from docutils import nodes
from docutils.parsers.rst import Directive

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: Mermaid's colours, and the theme's variables that replace them, so that drawings follow the light or the dark mode.
COLOURS = {
    r"#9370DB": "var(--color-brand-primary)",
    r"#ECECFF": "var(--color-background-secondary)",
    r"rgba\(232, ?232, ?232, ?0?\.\d+\)|#e8e8e8|hsl\(80, 100%, 96\.2745098039%\)": "var(--color-background-primary)",
    r"#333333|#333|#131300|black": "var(--color-foreground-primary)",
    r"white|#fff(?:fff)?\b": "var(--color-background-primary)",
}


class Mermaid(Directive):
    """A drawing; its text is the caption for those who cannot see it."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        drawing = mermaidx.render(text).svg()
        name = f"drawing-{sha256(text.encode()).hexdigest()[:8]}"  # ids are unique on the page
        drawing = drawing.replace("my-svg", name)
        drawing = re.sub(r'width="100%"', f'width="{width(drawing):.0f}"', drawing, count=1)
        for colour, variable in COLOURS.items():
            drawing = re.sub(colour, variable, drawing)
        return [nodes.raw("", f'<div class="drawing">{drawing}</div>', format="html")]


def width(drawing: str) -> float:
    """Returns the width in pixels at which the drawing's text has the size of the page's."""
    found = re.search(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+)', drawing)
    return float(found[1]) if found else 480.0


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True}
