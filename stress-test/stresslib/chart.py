"""Draws a monitored run as one SVG file: CPU and memory of each container, and of the stack."""

from dataclasses import dataclass
from html import escape
from typing import Optional

MIB = 2**20

WIDTH = 1000
PANEL_WIDTH = 410
PANEL_HEIGHT = 110
LEFT = 66
COLUMN_GAP = 92
TOP = 84
ROW_HEIGHT = 172
BOTTOM = 24
MAX_POINTS = 600  # more than a panel has pixels; longer runs are drawn by the maximum of a bin

# A limit this many times the largest value would press the curve flat: it is then drawn at the
# upper edge, with an arrow, and the scale follows the curve.
LIMIT_OFF_SCALE_FACTOR = 4

STYLE = """
svg { --paper: #ffffff; --ink: #1f2328; --muted: #59636e; --grid: #d8dee4;
      --cpu: #0b62c4; --memory: #0a7a55; --raw: #9aa4ae; --limit: #bc4c00; }
@media (prefers-color-scheme: dark) {
svg { --paper: #0d1117; --ink: #e6edf3; --muted: #9198a1; --grid: #2b3138;
      --cpu: #58a6ff; --memory: #3fb98a; --raw: #6e7781; --limit: #f0883e; }
}
.paper { fill: var(--paper); } .ink { fill: var(--ink); } .muted { fill: var(--muted); }
.grid { stroke: var(--grid); stroke-width: 1; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.cpu { stroke: var(--cpu); } .memory { stroke: var(--memory); } .raw { stroke: var(--raw); }
.limit { stroke: var(--limit); stroke-width: 1.4; stroke-dasharray: 6 4; }
.throttled { stroke: var(--limit); stroke-width: 2; }
.limit-text { fill: var(--limit); }
text { font: 12px system-ui, sans-serif; } .title { font-size: 17px; font-weight: 600; }
.name { font-size: 13px; font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
"""

# For renderers that know no CSS variables: the light colours once more, written out.
FALLBACK = {
    "paper": "#ffffff", "ink": "#1f2328", "muted": "#59636e", "grid": "#d8dee4", "cpu": "#0b62c4",
    "memory": "#0a7a55", "raw": "#9aa4ae", "limit": "#bc4c00",
}


@dataclass
class Track:
    """One row of the picture. The lists run in parallel; None is a second without a sample."""

    name: str
    seconds: list
    cpu_cores: list
    working_bytes: list
    raw_bytes: list
    throttled: list  # whether the container was held back in that second
    cpu_limit_cores: Optional[float]
    memory_limit_bytes: Optional[int]
    cpu_s: float


def render(title, subtitle, tracks):
    height = TOP + ROW_HEIGHT * len(tracks) + BOTTOM
    duration = max((track.seconds[-1] for track in tracks if track.seconds), default=1) or 1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        _element("rect", "paper", x=0, y=0, width=WIDTH, height=height),
        _text(LEFT, 30, title, "ink title"),
        _text(LEFT, 50, subtitle, "muted"),
        *_legend(),
    ]
    for index, track in enumerate(tracks):
        y = TOP + ROW_HEIGHT * index + 30
        parts += _cpu_panel(track, LEFT, y, duration)
        parts += _memory_panel(track, LEFT + PANEL_WIDTH + COLUMN_GAP, y, duration)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _legend():
    parts = []
    x = LEFT
    for kind, label in (
        ("line cpu", "CPU, cores"),
        ("throttled", "second with throttling"),
        ("line memory", "memory, usage − inactive file"),
        ("line raw", "memory, raw usage"),
        ("limit", "limit (↑: above the scale)"),
    ):
        parts.append(_element("line", kind, x1=x, y1=68, x2=x + 22, y2=68))
        parts.append(_text(x + 28, 72, label, "muted"))
        x += 54 + 6.3 * len(label)
    return parts


def _cpu_panel(track, x, y, duration):
    largest = max((value for value in track.cpu_cores if value is not None), default=0)
    scale = _Scale(x, y, duration, largest, track.cpu_limit_cores, 1)
    parts = scale.frame(f"{track.name}: {track.cpu_s:.1f} CPU s", "cores")
    for second, throttled in zip(track.seconds, track.throttled):
        if throttled:
            at = scale.x(second)
            parts.append(_element("line", "throttled", x1=at, y1=y + PANEL_HEIGHT, x2=at, y2=y + PANEL_HEIGHT - 5))
    parts += scale.curve(track.seconds, track.cpu_cores, "cpu")
    return parts + scale.limit_line("limit {:.3g} cores")


def _memory_panel(track, x, y, duration):
    raw = [value for value in track.raw_bytes if value is not None]
    working = [value for value in track.working_bytes if value is not None]
    scale = _Scale(x, y, duration, max(raw, default=0), track.memory_limit_bytes, MIB)
    heading = f"{track.name}: at most {max(working, default=0) / MIB:,.1f} MiB"
    parts = scale.frame(heading, "MiB")
    parts += scale.curve(track.seconds, track.raw_bytes, "raw")
    parts += scale.curve(track.seconds, track.working_bytes, "memory")
    return parts + scale.limit_line("limit {:,.0f} MiB")


class _Scale:
    """Maps seconds and values of one panel to the picture."""

    def __init__(self, left, top, duration, largest, limit, unit):
        self.left, self.top, self.duration, self.unit = left, top, duration, unit
        self.limit = limit
        self.off_scale = bool(limit) and limit > max(largest, 0) * LIMIT_OFF_SCALE_FACTOR
        highest = largest if self.off_scale or not limit else max(largest, limit)
        self.step = nice_step(max(highest / unit, 1e-3) * 1.08, 4)
        self.high = self.step * -(-max(highest / unit, 1e-3) * 1.08 // self.step)

    def x(self, second):
        return round(self.left + PANEL_WIDTH * second / self.duration, 1)

    def y(self, value):
        return round(self.top + PANEL_HEIGHT * (1 - value / self.unit / self.high), 1)

    def frame(self, heading, unit_name):
        parts = [_text(self.left, self.top - 8, heading, "ink name")]
        for n in range(round(self.high / self.step) + 1):
            value = n * self.step
            y = self.y(value * self.unit)
            parts.append(_element("line", "grid", x1=self.left, y1=y, x2=self.left + PANEL_WIDTH, y2=y))
            label = f"{value:,.10g}" + (f" {unit_name}" if value == 0 else "")
            parts.append(_text(self.left - 6, y + 4, label, "muted end"))
        step = nice_step(self.duration, 6)
        for n in range(int(self.duration / step) + 1):
            label = f"{n * step:.10g}" + (" s" if n == 0 else "")
            parts.append(_text(self.x(n * step), self.top + PANEL_HEIGHT + 16, label, "muted middle"))
        return parts

    def curve(self, seconds, values, kind):
        """A line that is interrupted where there is no sample."""
        paths, pen_down = [], False
        for second, value in thin_out(list(zip(seconds, values)), MAX_POINTS):
            if value is None:
                pen_down = False
                continue
            paths.append(f"{'L' if pen_down else 'M'}{self.x(second)} {self.y(value)}")
            pen_down = True
        return [_element("path", f"line {kind}", d="".join(paths))] if paths else []

    def limit_line(self, text):
        right = self.left + PANEL_WIDTH
        if not self.limit:
            return [_text(right, self.top - 8, "no limit holds", "limit-text end")]
        y = self.top if self.off_scale else self.y(self.limit)
        label = text.format(self.limit / self.unit) + (" ↑" if self.off_scale else "")
        line = _element("line", "limit", x1=self.left, y1=y, x2=right, y2=y)
        return [line, _text(right, self.top - 8, label, "limit-text end")]


def nice_step(span, steps):
    """The least of 1, 2, 5 times a power of ten that divides `span` into at most `steps` steps."""
    power = 1e-9
    while power * 10 <= span / steps:
        power *= 10
    for factor in (1, 2, 5, 10):
        if span / (power * factor) <= steps:
            return float(f"{power * factor:.3g}")
    return power * 10


def thin_out(points, count):
    """At most `count` points; each stands for a bin and has the bin's largest value."""
    if len(points) <= count:
        return points
    result = []
    for n in range(count):
        bin_ = points[n * len(points) // count:(n + 1) * len(points) // count]
        values = [value for _, value in bin_ if value is not None]
        result.append((bin_[0][0], max(values) if values else None))
    return result


def _element(tag, kind, **attributes):
    """An element with its classes, and with plain colours for renderers without CSS variables."""
    words = kind.split()
    plain = ""
    if tag == "rect":
        plain = f' fill="{FALLBACK["paper"]}"'
    elif tag in ("line", "path"):
        color = next((FALLBACK[word] for word in words if word in FALLBACK), FALLBACK["limit"])
        plain = f' stroke="{color}" fill="none"'
    text = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<{tag} class="{kind}"{plain}{text}/>'


def _text(x, y, content, kind):
    color = FALLBACK["limit" if "limit-text" in kind else kind.split()[0]]
    return f'<text x="{x}" y="{y}" class="{kind}" fill="{color}">{escape(content)}</text>'
