"""Figures over time as an SVG file: panels side by side, each with its lines, and the spans of the faults in grey."""
import math

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM, LEGEND = 480, 300, 48, 14, 30, 42, 26
STYLE = "text{font:12px sans-serif}.title{font-weight:bold}.grid{stroke:#ccc;stroke-width:.5;fill:none}" \
        ".line{fill:none;stroke-width:1.5;stroke-linejoin:round}"


def step_of(most, lines):
    """A round number, so that about so many of them reach `most`."""
    raw = most / lines
    power = 10 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)


def panel(title, times, spans, lines):
    """The SVG of one panel; `times` in minutes, `lines` as (name, colour, values)."""
    y_step = step_of(max(max(values) for _, _, values in lines) * 1.05, 6)
    y_most = y_step * math.ceil(max(max(values) for _, _, values in lines) * 1.05 / y_step)
    x_step = step_of(times[-1], 8)

    def x_of(value):
        return LEFT + (WIDE - LEFT - RIGHT) * value / times[-1]

    def y_of(value):
        return HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * value / y_most

    parts = [f"<rect x='{x_of(begin):.1f}' y='{TOP}' width='{max(0.3, x_of(end) - x_of(begin)):.1f}' "
             f"height='{HIGH - TOP - BOTTOM}' fill='#eee'/>" for begin, end in spans]
    for number in range(round(y_most / y_step) + 1):
        value = number * y_step
        parts.append(f"<path class='grid' d='M{LEFT} {y_of(value):.1f}H{WIDE - RIGHT}'/>"
                     f"<text x='{LEFT - 5}' y='{y_of(value) + 4:.1f}' text-anchor='end'>{value:g}</text>")
    for number in range(int(times[-1] / x_step) + 1):
        value = number * x_step
        parts.append(f"<text x='{x_of(value):.1f}' y='{HIGH - BOTTOM + 15}' text-anchor='middle'>{value:g}</text>")
    middle = (LEFT + WIDE - RIGHT) // 2
    parts.append(f"<text class='title' x='{middle}' y='18' text-anchor='middle'>{title}</text>"
                 f"<text x='{middle}' y='{HIGH - 8}' text-anchor='middle'>minutes; something is broken in the grey spans</text>")
    for place, (name, colour, values) in enumerate(lines):
        points = " ".join(f"{x_of(time):.1f},{y_of(value):.1f}" for time, value in zip(times, values))
        x = LEFT + place * 200
        parts.append(f"<polyline class='line' stroke='{colour}' points='{points}'/>"
                     f"<path class='line' stroke='{colour}' d='M{x} {HIGH + 9}h22'/>"
                     f"<text x='{x + 27}' y='{HIGH + 13}'>{name}</text>")
    return "\n".join(parts)


def draw(path, times, spans, panels):
    """Writes the file; `panels` as (title, lines)."""
    wide, high = WIDE * len(panels), HIGH + LEGEND
    body = "\n".join(f"<g transform='translate({WIDE * number} 0)'>\n{panel(title, times, spans, lines)}\n</g>"
                     for number, (title, lines) in enumerate(panels))
    with open(path, "w", encoding="ascii") as file:
        file.write(f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {wide} {high}' width='{wide}' height='{high}'>\n"
                   f"<style>{STYLE}</style>\n<rect width='100%' height='100%' fill='#fff'/>\n{body}\n</svg>\n")
