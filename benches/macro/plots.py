"""SVG plots: lines over a logarithmic axis, and groups of bars. No more than docs/performance.md needs."""
import html
import math

COLOURS = {"cldoci": "#0b6e4f", "today's Go package": "#c8553d", "oras": "#3a6ea5", "crane": "#8d6a9f"}
OTHERS = ["#b5892e", "#5f6b6d"]
WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 74, 20, 62, 58


def colour(name, index):
    return COLOURS.get(name, OTHERS[index % len(OTHERS)])


def text(x, y, content, anchor="middle", size=12, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {more}>{html.escape(str(content))}</text>'


def frame(title, y_label, names, parts):
    """The whole picture around what was drawn."""
    legend, x = [], LEFT
    for index, name in enumerate(names):
        legend.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{colour(name, index)}"/>' + text(x + 17, 46, name, "start"))
        x += 34 + 7 * len(name)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="Helvetica, Arial, sans-serif" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 22, title, "start", 15, 'font-weight="bold"'),
        text(18, middle, y_label, more=f'transform="rotate(-90 18 {middle})"'), *legend, *parts, "</svg>", ""])


def short(value):
    """A number in three figures, from 1,000 on with commas."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Axis:
    """Maps values to pixels; logarithmic from decade to decade, or linear from 0."""

    def __init__(self, values, low_pixel, high_pixel, logarithmic):
        self.logarithmic, self.pixels = logarithmic, (low_pixel, high_pixel)
        if logarithmic:
            self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
            self.high += self.low == self.high
            self.ticks = [10.0 ** power for power in range(self.low, self.high + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(values)))
            step = next(step * part for part in (0.2, 0.5, 1, 2) if max(values) / (step * part) <= 6)
            count = math.ceil(max(values) * 1.05 / step)
            self.low, self.high = 0, step * count
            self.ticks = [step * n for n in range(count + 1)]

    def __call__(self, value):
        at = math.log10(value) if self.logarithmic else value
        low, high = self.pixels
        return low + (at - self.low) / (self.high - self.low) * (high - low)


def grid(axis):
    return [f'<line x1="{LEFT}" y1="{axis(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{axis(tick):.1f}" stroke="#ddd"/>'
            + text(LEFT - 8, axis(tick) + 4, short(tick), "end") for tick in axis.ticks]


def lines(title, x_label, y_label, series, logarithmic_y=True, limit=None):
    """`series`: name → list of (x, y). `limit`: a level and what it says."""
    points = [point for line in series.values() for point in line]
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT - 10, True)
    y = Axis([p[1] for p in points] + ([limit[0]] if limit else []), HEIGHT - BOTTOM, TOP, logarithmic_y)
    parts = grid(y)
    for tick in sorted({p[0] for p in points}):
        parts.append(f'<line x1="{x(tick):.1f}" y1="{HEIGHT - BOTTOM}" x2="{x(tick):.1f}" y2="{HEIGHT - BOTTOM + 5}" stroke="#888"/>')
        parts.append(text(x(tick), HEIGHT - BOTTOM + 19, short(tick)))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label))
    if limit:
        parts.append(f'<line x1="{LEFT}" y1="{y(limit[0]):.1f}" x2="{WIDTH - RIGHT}" y2="{y(limit[0]):.1f}" stroke="#888" stroke-dasharray="5 4"/>')
        parts.append(text(WIDTH - RIGHT, y(limit[0]) - 5, limit[1], "end"))
    for index, (name, line) in enumerate(series.items()):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour(name, index)}" stroke-width="2.2"/>')
        parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.4" fill="{colour(name, index)}"/>' for a, b in line]
    return frame(title, y_label, list(series), parts)


def bars(title, y_label, groups):
    """`groups`: label → (name → value)."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    y = Axis([value for group in groups.values() for value in group.values()], HEIGHT - BOTTOM, TOP, False)
    parts = grid(y)
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    width = room * 0.8 / len(names)
    for place, (label, group) in enumerate(groups.items()):
        left = LEFT + place * room + room * 0.1
        for index, name in enumerate(names):
            if name in group:
                at = left + index * width
                top = y(group[name])
                parts.append(f'<rect x="{at:.1f}" y="{top:.1f}" width="{width - 2:.1f}" height="{HEIGHT - BOTTOM - top:.1f}" fill="{colour(name, index)}"/>')
                parts.append(text(at + width / 2 - 1, top - 3, short(group[name]), size=9))
        words = label.split(" (")
        parts += [text(LEFT + (place + 0.5) * room, HEIGHT - BOTTOM + 16 + 13 * n, word if n == 0 else "(" + word, size=11)
                  for n, word in enumerate(words)]
    return frame(title, y_label, names, parts)
