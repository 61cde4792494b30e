"""HTML from Python values: whatever is not made here is text, and is escaped.

    tag("p", "a < b ", tag("b", "bold"), class_="note") -> <p class="note">a &lt; b <b>bold</b></p>

`embedded_json` makes a value safe inside a <script> element, where HTML escapes do not apply.
"""

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

SURROGATE = re.compile("[\ud800-\udfff]")
VOID = {"img", "br"}


class Safe(str):
    """Text that is already HTML."""


def text(value) -> Safe:
    """Any value as escaped text. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    if isinstance(value, Safe):
        return value
    return Safe(html.escape(SURROGATE.sub("\ufffd", str(value))))


def join(parts: Iterable, between: str = "") -> Safe:
    return Safe(between.join(text(part) for part in parts))


def tag(name: str, *children, **attributes) -> Safe:
    """An element. Attribute names: class_ for class, _ for -; a value None leaves the attribute out."""
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    opening = "".join(f' {key}="{text(value)}"' for key, value in pairs)
    return Safe(f"<{name}{opening}>" + ("" if name in VOID else f"{join(children)}</{name}>"))


def table(caption, head: list, rows: Iterable[list], class_: str = "", note: str | None = None) -> Safe:
    """A table in a frame that scrolls by itself, so that a narrow screen never scrolls the page sideways.

    head and rows hold texts, elements, or whole cells (made by `cell`). The first cell of a row is its heading.
    """
    lines = []
    for row in rows:
        first, *rest = row
        first = first if _is_cell(first) else tag("th", first, scope="row")
        lines.append(tag("tr", first, *(one if _is_cell(one) else tag("td", one) for one in rest)))
    heads = (one if _is_cell(one) else tag("th", one, scope="col") for one in head)
    made = tag("table", tag("caption", caption), tag("thead", tag("tr", *heads)), tag("tbody", *lines), class_=class_ or None)
    frame = tag("div", made, class_="frame", tabindex="0", role="region", aria_label=re.sub("<[^>]*>", "", caption))
    return join([frame, tag("p", note, class_="note") if note else ""])


def cell(*children, **attributes) -> Safe:
    """A <td> with attributes of its own."""
    return tag("td", *children, **attributes)


def _is_cell(value) -> bool:
    return isinstance(value, Safe) and value.startswith(("<td", "<th"))


@dataclass(frozen=True)
class Section:
    """A part of the page that the navigation links to."""

    anchor: str
    title: str
    body: Safe

    def html(self) -> Safe:
        heading = tag("h2", self.title, id=f"{self.anchor}-title")
        return tag("section", heading, self.body, id=self.anchor, aria_labelledby=f"{self.anchor}-title")


def section(anchor: str, title: str, *children) -> Section:
    return Section(anchor, title, join(children))


def fold(title, *children, opened: bool = False) -> Safe:
    """A <details> block."""
    made = tag("details", tag("summary", title), *children)
    return Safe(made.replace("<details>", "<details open>", 1)) if opened else made


def plain(name: str) -> str:
    """A name of the code as a reader's words: held_out -> held out."""
    return name.replace("_", " ").replace(":", ": ")


def percent(rate: float | None, digits: int = 1) -> str:
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def interval(share: dict, digits: int = 1) -> str:
    """The 95 % interval of a `scoring.summary.share`, in percent."""
    return "–" if share["rate"] is None else f"[{100 * share['low']:.{digits}f}, {100 * share['high']:.{digits}f}]"


def count(number: int) -> str:
    """Thousands apart: 12,345."""
    return f"{number:,}"


def embedded_json(value) -> Safe:
    """JSON for a <script type="application/json">: no `<`, so that no text in it can end the element."""
    made = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    made = made.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Safe(SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", made))
