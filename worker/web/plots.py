"""The plots of the status page: SVG by leather, in the colour of the text, each with its numbers as a table.

leather writes a legend that tells shapes apart by colour alone, sets fonts and sizes on each text, and writes numbers
with 28 digits: all of this is taken out of what it makes.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import leather
from leather import theme

_WIDTH_PIXELS = 400
_INK = "currentColor"

# leather's settings are variables of a module.
theme.margin = 0.03
theme.tick_font_char_width = 7
theme.legend_font_char_height = theme.legend_gap = 0

_NUMBER = re.compile(r"-?\d+\.\d+")


class Plot(NamedTuple):
    """``said``: what is to be seen, in words. ``svg`` is empty where nothing is drawn. ``rows``: the numbers."""

    title: str
    said: str
    svg: str = ""
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


class Straight(leather.Scale):  # type: ignore[misc]
    """From 0, or another number, to exactly the last tick."""

    def __init__(self, ticks: Sequence[float], least: float = 0.0, most: float | None = None) -> None:
        self._ticks = ticks
        self._least = least
        self._most = ticks[-1] if most is None else most

    def contains(self, value: float) -> bool:
        return self._least <= value <= self._most

    def project(self, value: float, begin: float, end: float) -> float:
        return float(begin) + (float(end) - float(begin)) * (float(value) - self._least) / (self._most - self._least)

    def ticks(self) -> Sequence[float]:
        return self._ticks


class Axis(NamedTuple):
    """``name`` gives the text of a tick."""

    ticks: Sequence[float]
    name: Callable[[float], str]
    least: float = 0.0
    most: float | None = None

    def set(self, which: str, chart: Any) -> None:
        scale = Straight(self.ticks, self.least, self.most)
        getattr(chart, f"set_{which}_scale")(scale)
        getattr(chart, f"add_{which}_axis")(ticks=list(self.ticks), tick_formatter=lambda value, *_: self.name(value))


def counts_up_to(most: float) -> Axis:
    """Four steps or fewer to a round number that is not less."""
    step = next(step for power in range(12) for step in (10**power, 2 * 10**power, 5 * 10**power) if most <= 4 * step)
    return Axis([step * n for n in range(max(1, -int(-most // step)) + 1)], lambda value: f"{value:,.0f}")


def columns(named: Sequence[tuple[str, int]]) -> str:
    """One column for each name."""
    chart = leather.Chart()
    chart.add_columns(list(named), fill_color=_INK)
    counts_up_to(max(n for _, n in named)).set("y", chart)
    return _drawn(chart, 200, (1.0,), "axis bottom")


def bars(rows: Sequence[tuple[str, tuple[float, ...]]], axis: Axis, shades: tuple[float, ...]) -> str:
    """A row for each name; of its values the later lie on the earlier, which are not less, each in its shade."""
    chart = leather.Chart()
    for layer in range(len(shades)):
        chart.add_bars([(values[layer], name) for name, values in rows], name="", fill_color=_INK)
    axis.set("x", chart)
    chart.set_y_scale(leather.Ordinal([name for name, _ in reversed(rows)]))
    return _drawn(chart, 44 + 24 * len(rows), shades, "axis left")


Points = Sequence[tuple[float, float | None]]


def lines(drawn: Sequence[tuple[Points, str]], x: Axis, y: Axis) -> str:
    """Each with its pattern of dashes; a value that is ``None`` breaks a line."""
    chart = leather.Chart()
    for points, dashes in drawn:
        chart.add_line(list(points), name="", stroke_color=_INK, width=1.5, stroke_dasharray=dashes)
    x.set("x", chart)
    y.set("y", chart)
    return _drawn(chart, 200, (1.0,) * len(drawn))


def _drawn(chart: Any, height: int, shades: tuple[float, ...], named: str = "") -> str:
    """``named``: the axis of names, which has no lines."""
    group = chart.to_svg_group(_WIDTH_PIXELS, height)
    group.remove(group[0])  # the ground
    group[0].remove(group[0][0])  # the legend
    layers = iter(shades)
    for one in list(group.iter()):
        kind = one.attrib.pop("class", "")
        if kind.startswith("axis"):
            _lighten_axis(one, lines=kind != named)
        elif kind.startswith("series"):
            _lighten_series(one, next(layers))
    for one in group.iter():
        for key in one.attrib.keys() - {"opacity"}:
            one.set(key, _NUMBER.sub(_rounded, one.attrib[key]))
    root = ET.Element("svg", {"viewBox": f"0 0 {_WIDTH_PIXELS} {height}", "aria-hidden": "true"})
    root.append(group)
    return ET.tostring(root, encoding="unicode")


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _lighten_axis(axis: ET.Element, *, lines: bool) -> None:
    """What its lines and texts have in common stands at the axis, or in the style of the page."""
    for tick in list(axis):
        line, text = tick
        axis.set("text-anchor", text.attrib["text-anchor"])
        text.attrib = {key: text.attrib[key] for key in ("x", "y", "dy")}
        line.attrib = {key: line.attrib[key] for key in ("x1", "y1", "x2", "y2")}
        axis.remove(tick)
        axis.extend([line, text] if lines else [text])


def _lighten_series(series: ET.Element, shade: float) -> None:
    """Its colour stands there once, a bar of no length nowhere, and the steps of a line are told as steps."""
    series.set("opacity", f"{shade:g}")
    for shape in list(series):
        if shape.tag == "rect":
            series.set("fill", shape.attrib.pop("fill"))
            if 0 in (float(shape.attrib["width"]), float(shape.attrib["height"])):
                series.remove(shape)
        else:
            shape.set("d", _in_steps(shape.attrib["d"].split()))


def _in_steps(path: list[str]) -> str:
    """``M 0 0 L 5 0 L 5 2`` is ``M0 0H5V2``."""
    told, (last_x, last_y) = f"M{path[1]} {path[2]}", path[1:3]
    for x, y in zip(path[4::3], path[5::3], strict=True):
        told += f"H{x}" if y == last_y else f"V{y}" if x == last_x else f"L{x} {y}"
        last_x, last_y = x, y
    return told
