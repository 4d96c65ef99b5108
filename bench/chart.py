"""The chart of the schedules, as SVG: what each asks for against how long its results wait, on logarithmic axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT, LEFT, RIGHT, TOP, LINE = 860, 470, 70, 30, 78, 34
INK, SOFT, GRID, OURS, OTHERS, BEST = "#1f2933", "#52606d", "#e4e7eb", "#0b69a3", "#9aa5b1", "#c2410c"
LETTER = 6.6  # the width of one at 12 px, about

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis from ``low`` to ``high``, drawn from ``begin`` to ``end`` (pixels)."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        share = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """1, 2 and 5 of each power of ten."""
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        found = [step * 10.0**power for power in powers for step in (1, 2, 5)]
        return [tick for tick in found if self.low <= tick <= self.high]


def scale(values: Sequence[float], begin: float, end: float) -> Scale:
    """One with some room around ``values``."""
    return Scale(min(values) / 1.35, max(values) * 1.35, begin, end)


def colour(name: str) -> str:
    return OURS if name.startswith("learned") else BEST if name.startswith("optimum") else OTHERS


def seconds(value: float) -> str:
    if value >= 120:
        return f"{value / 60:.0f} min"
    return f"{value:.0f} s" if value >= 1 else f"{value:g} s"


def text(
    x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK, font: str = 'font-size="12"'
) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {font} fill="{fill}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GRID) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"/>'


def dot(x: float, y: float, name: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{colour(name)}" stroke="white" stroke-width="1.5"/>'


def labels(points: Mapping[str, Point]) -> list[str]:
    """A name beside each dot, where no other name or dot is in the way."""
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in points.values()]
    parts = []
    for name, (x, y) in sorted(points.items(), key=lambda item: item[1][1]):
        wide = len(name) * LETTER
        places = [
            (x + 10 if right else x - 10 - wide, y + 4 + shift)
            for shift in (0, -13, 13, -24, 24, -36, 36, -50, 50)
            for right in (True, False)
        ]
        inside = [place for place in places if place[0] >= LEFT + 4 and place[0] + wide <= WIDTH - RIGHT]
        free = [place for place in inside if not any(_meet(_box(place, wide), other) for other in taken)]
        left, base = (free or inside or places)[0]
        taken.append(_box((left, base), wide))
        if abs(base - y - 4) > 13:  # far from its dot: a thread leads there
            parts.append(line(x, y, left - 2 if left > x else left + wide + 2, base - 4, OTHERS))
        parts.append(text(left, base, name, fill=colour(name) if colour(name) != OTHERS else SOFT))
    return parts


Box = tuple[float, float, float, float]


def _box(place: Point, wide: float) -> Box:
    return place[0] - 2, place[1] - 11, place[0] + wide + 2, place[1] + 3


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def scatter(heading: str, points: Mapping[str, Point], top: float) -> list[str]:
    """Requests against delay: the nearer to the corner at the lower left, the better."""
    bottom = top + HEIGHT - TOP - 60
    across = scale([delay for delay, _ in points.values()], LEFT, WIDTH - RIGHT)
    up = scale([requests for _, requests in points.values()], bottom, top)
    parts = [text(LEFT, top - 34, heading, font='font-size="15" font-weight="600"')]
    parts.append(text(LEFT, top - 14, "requests per result; lower left is better", fill=SOFT))
    for tick in across.ticks():
        parts.append(line(across.at(tick), top, across.at(tick), bottom))
        parts.append(text(across.at(tick), bottom + 18, seconds(tick), anchor="middle", fill=SOFT))
    for tick in up.ticks():
        parts.append(line(LEFT, up.at(tick), WIDTH - RIGHT, up.at(tick)))
        parts.append(text(LEFT - 8, up.at(tick) + 4, f"{tick:g}", anchor="end", fill=SOFT))
    parts.append(text(WIDTH - RIGHT, bottom + 36, "mean wait of a result until it is seen", anchor="end", fill=SOFT))
    places = {name: (across.at(delay), up.at(requests)) for name, (delay, requests) in points.items()}
    threads = labels(places)
    return [*parts, *threads, *(dot(x, y, name) for name, (x, y) in places.items())]


def ranking(heading: str, delays: Mapping[str, float], top: float) -> list[str]:
    """One line for each schedule, the quickest first."""
    left = LEFT + max(len(name) for name in delays) * LETTER + 14
    across = scale(list(delays.values()), left, WIDTH - RIGHT - 60)
    bottom = top + LINE * len(delays)
    parts = [text(LEFT, top - 34, heading, font='font-size="15" font-weight="600"')]
    parts.append(text(LEFT, top - 14, "mean wait of a result until it is seen; left is better", fill=SOFT))
    for tick in across.ticks():
        parts.append(line(across.at(tick), top, across.at(tick), bottom))
        parts.append(text(across.at(tick), bottom + 18, seconds(tick), anchor="middle", fill=SOFT))
    for row, (name, delay) in enumerate(sorted(delays.items(), key=lambda item: item[1])):
        y = top + LINE * (row + 0.5)
        fill = colour(name) if colour(name) != OTHERS else SOFT
        parts.append(line(left, y, across.at(delay), y, colour(name)))
        parts.append(text(left - 10, y + 4, name, anchor="end", fill=fill))
        parts.append(text(across.at(delay) + 11, y + 4, f"{delay:.3g} s", fill=fill))
        parts.append(dot(across.at(delay), y, name))
    return parts


def drawing(free: Mapping[str, Point], scarce: Mapping[str, float], scarce_heading: str) -> str:
    """Both panels; ``free`` are (mean delay in s, requests per task), ``scarce`` mean delays in s."""
    second = HEIGHT + TOP
    height = second + LINE * len(scarce) + 40
    parts = [
        *scatter("No limit that binds", free, TOP),
        *ranking(scarce_heading, scarce, second),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
            ' font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )
