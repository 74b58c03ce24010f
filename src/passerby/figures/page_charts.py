"""Charts inside an HTML page: SVG whose colours follow the page, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 36


@dataclass(frozen=True)
class Line:
    """Points that are joined."""

    label: str
    """In the legend; empty: not there."""
    x: Sequence[float]
    """From left to right."""
    y: Sequence[float]
    """One for each."""


@dataclass(frozen=True)
class Axis:
    """From where to where, and how."""

    label: str
    """Below, or above the left end."""
    least: float | None = None
    """Left or lower end; None: that of the data."""
    most: float | None = None
    """The other end."""
    log: bool = False
    """Logarithmic."""
    whole: bool = False
    """Marked at whole numbers alone."""


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, describe: str) -> str:
    """Lines as SVG.

    Args:
        lines: at least one with at least one point.
        x: the horizontal axis.
        y: the vertical axis.
        describe: what the chart shows, for those who do not see it.
    """
    across = _Scale.of(x, [v for line in lines for v in line.x], _LEFT, WIDTH - _RIGHT)
    up = _Scale.of(y, [v for line in lines for v in line.y], HEIGHT - _BOTTOM, _TOP)
    drawn = []
    for index, line in enumerate(lines):
        points = [f"{across.at(a):.1f},{up.at(b):.1f}" for a, b in zip(line.x, line.y, strict=True)]
        colour = f"c{index % 6}"
        if len(points) == 1:
            a, b = points[0].split(",")
            drawn.append(f'<circle class="{colour} dot" cx="{a}" cy="{b}" r="3"/>')
        else:
            drawn.append(f'<polyline class="{colour} line" points="{" ".join(points)}"/>')
    return _figure(across, up, x, y, "".join(drawn), [line.label for line in lines], describe)


def bar_chart(
    edges: Sequence[float],
    shares: Sequence[tuple[str, Sequence[float]]],
    x: Axis,
    y: Axis,
    describe: str,
) -> str:
    """Histograms over each other as SVG.

    Args:
        edges: of the bins, one more than there are.
        shares: label and height of each bin, for each histogram.
        x: the horizontal axis.
        y: the vertical axis; it starts at 0.
        describe: as `line_chart`.
    """
    across = _Scale.of(x, edges, _LEFT, WIDTH - _RIGHT)
    up = _Scale.of(Axis(y.label, 0, y.most), [v for _, s in shares for v in s], HEIGHT - _BOTTOM,
                   _TOP)  # fmt: skip
    drawn = []
    for index, (_, heights) in enumerate(shares):
        steps = [f"M{across.at(edges[0]):.1f},{up.at(0):.1f}"]
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            steps.append(f"L{across.at(left):.1f},{up.at(height):.1f}H{across.at(right):.1f}")
        steps.append(f"V{up.at(0):.1f}Z")
        drawn.append(f'<path class="c{index % 6} area" d="{"".join(steps)}"/>')
    return _figure(across, up, x, y, "".join(drawn), [label for label, _ in shares], describe)


def point_chart(
    points: Sequence[tuple[float, float, int, str]], x: Axis, y: Axis, describe: str
) -> str:
    """Points as SVG.

    Args:
        points: x, y, number of the colour, and what is said of the point.
        x: the horizontal axis.
        y: the vertical axis.
        describe: as `line_chart`.
    """
    across = _Scale.of(x, [point[0] for point in points], _LEFT, WIDTH - _RIGHT)
    up = _Scale.of(y, [point[1] for point in points], HEIGHT - _BOTTOM, _TOP)
    # Colours around the circle: more kinds than a list of colours has.
    kinds = max(point[2] for point in points) + 1
    drawn = [
        f'<circle cx="{across.at(a):.1f}" cy="{up.at(b):.1f}" r="3.5" '
        f'fill="hsl({360 * kind / kinds:.0f} 65% 50%)"><title>{escape(text)}</title></circle>'
        for a, b, kind, text in points
    ]
    return _figure(across, up, x, y, "".join(drawn), [], describe)


@dataclass(frozen=True)
class _Scale:
    """Numbers to places on the page."""

    least: float
    most: float
    start: float
    end: float
    log: bool
    whole: bool

    @classmethod
    def of(cls, axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
        kept = [value for value in values if value > 0] if axis.log else list(values)
        least = axis.least if axis.least is not None else min(kept, default=1)
        most = axis.most if axis.most is not None else max(kept, default=1)
        if most <= least:
            least, most = _around(least, axis.log)
        return cls(least, most, start, end, axis.log, axis.whole)

    def at(self, value: float) -> float:
        if self.log:
            share = log10(max(value, self.least) / self.least) / log10(self.most / self.least)
        else:
            share = (value - self.least) / (self.most - self.least)
        return self.start + min(max(share, 0), 1) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            powers = range(floor(log10(self.least)), floor(log10(self.most)) + 1)
            found = [10.0**power for power in powers if 10.0**power >= self.least * 0.999]
            return found or [self.least, self.most]
        rough = max((self.most - self.least) / 6, float(self.whole))
        size = 10.0 ** floor(log10(rough))
        step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough * 0.999)
        first = -floor(1e-9 - self.least / step)
        return [k * step for k in range(first, floor(self.most / step + 1e-9) + 1)]


def _around(value: float, log: bool) -> tuple[float, float]:
    """Ends of an axis for one value alone; what is not negative has an axis from 0."""
    if log:
        return value / 2, value * 2
    return (0, 2 * value or 1) if value >= 0 else (2 * value, 0)


def _figure(
    across: _Scale, up: _Scale, x: Axis, y: Axis, drawn: str, labels: Sequence[str], describe: str
) -> str:
    parts = []
    for tick in across.ticks():
        place = across.at(tick)
        parts.append(f'<path class="grid" d="M{place:.1f},{_TOP}V{HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{place:.1f}" y="{HEIGHT - _BOTTOM + 15}" '
                     f'text-anchor="middle">{tick:.4g}</text>')  # fmt: skip
    for tick in up.ticks():
        place = up.at(tick)
        parts.append(f'<path class="grid" d="M{_LEFT},{place:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text x="{_LEFT - 5}" y="{place + 4:.1f}" text-anchor="end">{tick:.4g}</text>'
        )
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>'
    )
    legend = "".join(
        f'<span><i class="c{index % 6}"></i>{escape(label)}</span>'
        for index, label in enumerate(labels)
        if label
    )
    return (
        f'<figure class="chart"><figcaption>{escape(y.label)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(describe)}">'
        f"{''.join(parts)}{drawn}</svg>"
        + (f'<div class="legend">{legend}</div>' if legend else "")
        + "</figure>"
    )
