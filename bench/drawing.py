"""Pictures of figures, for docs/."""

WIDTH, LABEL, BAR, GAP, SPACE = 720, 170, 18, 6, 22
COLOURS = ("#2563eb", "#9ca3af", "#6b7280", "#d1d5db")


def bars(groups, caption):
    """An SVG of horizontal bars, on one scale a group: `{group: {side: figure}}`."""
    rows, y = [], SPACE
    for group, sides in groups.items():
        rows.append(f'<text x="0" y="{y}" font-weight="bold">{group}</text>')
        y += GAP
        most = max(sides.values())
        for colour, (side, figure) in zip(COLOURS, sides.items()):
            length = (WIDTH - LABEL - 90) * figure / most
            rows.append(f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{side}</text>'
                        f'<rect x="{LABEL}" y="{y}" width="{length:.0f}" height="{BAR}" fill="{colour}"/>'
                        f'<text x="{LABEL + length + 6:.0f}" y="{y + 13}">{figure:,.0f}</text>')
            y += BAR + GAP
        y += SPACE
    rows.append(f'<text x="0" y="{y}" fill="#6b7280">{caption}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" font-family="sans-serif" font-size="13" '
            f'fill="#111827" role="img"><title>{caption}</title><rect width="100%" height="100%" fill="#fff"/>\n'
            + "\n".join(rows) + "\n</svg>\n")
