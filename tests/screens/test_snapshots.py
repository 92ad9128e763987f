"""The screens as plain text, compared with what they looked like when someone last looked at them.

LORAMON_UPDATE_SNAPSHOTS=1 writes them anew; look at the difference before it is kept. The chart's own cells are left
out: its picture has tests of its own.
"""

import os
from pathlib import Path

import pytest
from driving import ALARM_S, HEALTHY_S, drive

from loramon.screens.look import Look
from loramon.widgets.chart import Chart

FOLDER = Path(__file__).parent / "snapshots"
SIZES = [(80, 24), (120, 35), (200, 60)]
CASES = [
    *((f"main-{w}x{h}", (w, h), ALARM_S, (), Look()) for w, h in SIZES),
    *((f"finding-{w}x{h}", (w, h), ALARM_S, ("enter",), Look()) for w, h in SIZES),
    *((f"log-{w}x{h}", (w, h), ALARM_S, ("3",), Look()) for w, h in SIZES),
    ("healthy-80x24", (80, 24), HEALTHY_S, (), Look()),
    ("help-80x24", (80, 24), HEALTHY_S, ("question_mark",), Look()),
    ("short-50x12", (50, 12), ALARM_S, (), Look()),
    ("waiting-80x24", (80, 24), 1, (), Look()),
    ("japanese-80x24", (80, 24), ALARM_S, (), Look(lang="ja")),
    ("japanese-120x35", (120, 35), ALARM_S, (), Look(lang="ja")),
    ("ascii-80x24", (80, 24), ALARM_S, (), Look(ascii=True)),
]


async def picture(d, keys):
    if keys:
        await d.press(*keys)
    rows = d.rows()
    for chart in d.app.screen.query(Chart):
        box = chart.region
        for y in range(box.y, box.bottom):
            rows[y] = (rows[y][: box.x].ljust(box.x) + "~" + rows[y][box.right :]).rstrip()
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(("name", "size", "played_s", "keys", "look"), CASES, ids=[c[0] for c in CASES])
def test_the_screen_looks_as_it_did(name, size, played_s, keys, look):
    seen = drive(lambda d: picture(d, keys), size=size, look=look, played_s=played_s)
    path = FOLDER / f"{name}.txt"
    if os.environ.get("LORAMON_UPDATE_SNAPSHOTS"):
        path.write_text(seen, encoding="utf-8")
    assert seen == path.read_text(encoding="utf-8")
