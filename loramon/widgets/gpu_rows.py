"""Rows on GPUs: the line in the head of the first screen, the figures of one card, a tile of several."""

from __future__ import annotations

from rich.cells import cell_len

from loramon.gpu_past import effective_load_pct, memory_pct, power_pct
from loramon.gpu_view import OWN, GpuMoment, held_back_by
from loramon.samples import GpuSample, HostSample
from loramon.screens.rows import Row, cells, crop, fit, fitting, flush
from loramon.screens.words import Words, clean
from loramon.units import format_bytes, format_pct
from loramon.widgets.gauge import gauge

FULL_PCT = 97.0
CALM = ("power-cap", "sync-boost", "display")
"""Reasons for lower clocks that belong to healthy work."""

MAX_GAUGE = 28
LABELS = ("memory", "compute", "power", "load", "clock", "heat", "held-back", "bus", "pace", "shared", "host", "run", "time")
SHORT_NAMES = ("NVIDIA ", "GeForce ", "AMD ", "Radeon ")


def gpu_row(moment: GpuMoment, words: Words, width: int) -> Row | None:
    """The line of the head; None where this machine is not asked and nothing was recorded."""
    say = words.say
    if not moment.cards:
        if not moment.is_asked:
            return None
        said = say("gpu.none", why=why_not(moment, words)) if moment.why else say("gpu.looking")
        return ((" ", ""), (fit(said, width - 2), "$muted"))
    parts: list[Row] = []
    if moment.age_s is not None:
        parts.append(((say("gpu.stale", age_s=moment.age_s), "bold $warning"),))
    own = moment.own
    parts += card_parts(own[0], words) if len(own) == 1 else cards_parts(own, words)
    if len(own) < len(moment.cards):
        parts.append(((say("gpu.others", n=len(moment.cards) - len(own)), "$muted"),))
    return ((" ", ""), *fitting(parts, width - 2))


def why_not(moment: GpuMoment, words: Words) -> str:
    """Why there is no card."""
    return words.say(moment.why, detail=clean(moment.detail, 120))


def card_parts(card: GpuSample, words: Words) -> list[Row]:
    """One card in short, what matters most first."""
    say = words.say
    parts: list[Row] = [((short_name(card, words), "bold"),)]
    if card.lost:
        parts.append(((say("gpu.lost"), "bold $error"),))
    if card.xid is not None:
        parts.append(((say("gpu.xid", number=card.xid), "bold $error"),))
    if card.memory_used_bytes is not None:
        share = memory_pct(card)
        total = f"/{_gib(card.memory_total_bytes)}" if card.memory_total_bytes else ""
        parts.append(((f"{_gib(card.memory_used_bytes)}{total} GiB", "bold" if share is not None and share >= FULL_PCT else ""),))
    if card.utilization_gpu_pct is not None:
        parts.append(((say("gpu.compute-short", pct=format_pct(card.utilization_gpu_pct)), ""),))
    if card.power_w is not None:
        parts.append(((f"{card.power_w:.0f}{f'/{card.power_limit_w:.0f}' if card.power_limit_w else ''} W", ""),))
    if card.temperature_c is not None:
        parts.append(((f"{card.temperature_c:.0f} °C", ""),))
    reasons = [name for name in held_back_by(card) if name not in CALM]
    if reasons:
        parts.append(((say(f"gpu.reason-{reasons[0]}"), "bold $warning"),))
    return parts


def cards_parts(cards: tuple[GpuSample, ...], words: Words) -> list[Row]:
    """Several cards of a run in one line: where they differ the spread is told."""
    say = words.say
    parts: list[Row] = [((say("gpu.many", n=len(cards)), "bold"), (f" {_named(cards[0])}" if len({c.name for c in cards}) == 1 else "", ""))]
    lost = [card for card in cards if card.lost]
    if lost:
        parts.append(((f"{say('gpu.numbered', index=lost[0].index)} {say('gpu.lost')}", "bold $error"),))
    shares = [share for card in cards if (share := memory_pct(card)) is not None]
    if shares:
        parts.append(((f"{say('gpu.memory')} {_spread(shares)} %", ""),))
    busy = [card.utilization_gpu_pct for card in cards if card.utilization_gpu_pct is not None]
    if busy:
        parts.append(((f"{say('gpu.compute')} {_spread(busy)} %", ""),))
    power = [card.power_w for card in cards if card.power_w is not None]
    if power:
        parts.append(((f"{sum(power):.0f} W", ""),))
    heat = [card.temperature_c for card in cards if card.temperature_c is not None]
    if heat:
        parts.append(((f"{_spread(heat)} °C", ""),))
    return parts


def card_rows(card: GpuSample, words: Words, width: int) -> list[Row]:
    """All that is known of one card, a quantity a row; what is unknown has none."""
    say = words.say
    rows: list[tuple[str, float | None, list[Row]]] = []
    if card.memory_used_bytes is not None:
        about: list[Row] = [((_of(_gib(card.memory_used_bytes), _gib(card.memory_total_bytes), "GiB"), "bold"),)]
        share = memory_pct(card)
        if share is not None:
            about.append(((format_pct(share), ""),))
        for key, n_bytes in (("run", card.memory_run_bytes), ("others", card.memory_others_bytes)):
            if n_bytes is not None:
                about.append(((say(f"gpu.memory-{key}", size=format_bytes(n_bytes)), "$muted"),))
        if card.memory_shared_bytes:
            about.append(((say("gpu.memory-shared", size=format_bytes(card.memory_shared_bytes)), "bold"),))
        rows.append((say("gpu.memory"), share, about))
    if card.utilization_gpu_pct is not None:
        about = [((format_pct(card.utilization_gpu_pct), "bold"),)]
        if card.utilization_memory_pct is not None:
            about.append(((say("gpu.memory-bus", pct=format_pct(card.utilization_memory_pct)), "$muted"),))
        rows.append((say("gpu.compute"), card.utilization_gpu_pct, about))
    if card.power_w is not None:
        about = [((_of(f"{card.power_w:.0f}", f"{card.power_limit_w:.0f}" if card.power_limit_w else None, "W"), "bold"),)]
        if card.power_limit_w and card.power_limit_default_w and card.power_limit_w < card.power_limit_default_w - 1:
            about.append(((say("gpu.power-limit-lowered", power=f"{card.power_limit_default_w:.0f} W"), "$muted"),))
        rows.append((say("gpu.power"), power_pct(card), about))
    load = effective_load_pct(card)
    if load is not None:
        rows.append((say("gpu.load"), load, [((format_pct(load), "bold"),), ((say("gpu.load-means"), "$muted"),)]))
    rows += _without_gauge(card, words)
    return [_figure(*each, label_cells(words), width) for each in rows]


def _without_gauge(card: GpuSample, words: Words) -> list[tuple[str, float | None, list[Row]]]:
    say = words.say
    rows: list[tuple[str, float | None, list[Row]]] = []
    if card.sm_clock_mhz is not None:
        clock: list[Row] = [((_of(f"{card.sm_clock_mhz:.0f}", f"{card.sm_clock_max_mhz:.0f}" if card.sm_clock_max_mhz else None, "MHz"), "bold"),)]
        if card.memory_clock_mhz is not None:
            clock.append(((say("gpu.clock-memory", mhz=f"{card.memory_clock_mhz:.0f}"), "$muted"),))
        if card.pstate is not None:
            clock.append(((f"P{card.pstate}", "$muted"),))
        rows.append((say("gpu.clock"), None, clock))
    if card.temperature_c is not None:
        heat: list[Row] = [((f"{card.temperature_c:.0f} °C", "bold"),)]
        if card.temperature_memory_c:
            heat.append(((say("gpu.heat-memory", temperature=f"{card.temperature_memory_c:.0f}"), "$muted"),))
        if card.temperature_limit_c:
            heat.append(((say("gpu.heat-limit", limit=f"{card.temperature_limit_c:.0f}"), "$muted"),))
        if card.fan_pct is not None:
            heat.append(((say("gpu.fan", pct=format_pct(card.fan_pct)), "$muted"),))
        rows.append((say("gpu.heat"), None, heat))
    if card.clock_event_reasons is not None:
        reasons = held_back_by(card)
        said: list[Row] = [((say(f"gpu.reason-{name}"), "" if name in CALM else "bold $warning"),) for name in reasons]
        rows.append((say("gpu.held-back"), None, said or [((say("gpu.held-back-by-nothing"), "$muted"),)]))
    bus: list[Row] = []
    if card.pcie_rx_bytes_per_s is not None and card.pcie_tx_bytes_per_s is not None:
        bus.append(((say("gpu.bus-traffic", rx=format_bytes(card.pcie_rx_bytes_per_s), tx=format_bytes(card.pcie_tx_bytes_per_s)), ""),))
    if card.pcie_generation is not None and card.pcie_lanes is not None:
        bus.append(((say("gpu.bus-link", generation=card.pcie_generation, lanes=card.pcie_lanes), "$muted"),))
        most = (card.pcie_generation_max, card.pcie_lanes_max)
        if None not in most and most != (card.pcie_generation, card.pcie_lanes):
            bus.append(((say("gpu.bus-link-max", generation=most[0], lanes=most[1]), "$muted"),))
    if bus:
        rows.append((say("gpu.bus"), None, bus))
    return rows


def _figure(label: str, share: float | None, about: list[Row], label_cells: int, width: int) -> Row:
    lead: Row = ((" ", ""), (label + " " * (label_cells - cell_len(label)), "$muted"), ("  ", ""))
    room = width - cells(lead) - 1
    bar: Row = ()
    if share is not None and room >= 40:
        size = min(MAX_GAUGE, room // 3)
        bar = (*gauge(share / 100, size, "$primary"), ("  ", ""))
    return crop((*lead, *bar, *fitting(about, room - cells(bar))), width)


def card_title(card: GpuSample, words: Words) -> tuple[Row, Row]:
    """Its name, and whether it is the run's."""
    say = words.say
    parts: list[Row] = [((f"{say('gpu.numbered', index=card.index)} " if card.index is not None else "", "$muted"), (clean(card.name, 60), "bold"))]
    if card.mig:
        parts.append(((say("gpu.mig"), "$muted"),))
    if card.lost:
        parts.append(((say("gpu.lost"), "bold $error"),))
    return fitting(parts, 200), ((say(f"gpu.{ownership(card)}"), "$muted"),)


def ownership(card: GpuSample) -> str:
    """A key of `gpu.…`: whether the run computes on this card."""
    if card.of_run is None:
        return "own-unknown"
    return "own" if card.of_run >= 0.95 else "own-likely" if card.of_run >= OWN else "own-not"


def tile_rows(card: GpuSample, words: Words, width: int, chosen: bool) -> list[Row]:
    """A card among several: five rows."""
    say = words.say
    mark = "▸" if chosen else " "
    name = short_name(card, words)
    own = say("gpu.own") if card.of_run is not None and card.of_run >= OWN else ""
    head = flush(((f"{mark}", "bold $primary"), (name, "bold" if own else "")), ((own, "$primary"),) if own and width >= 34 else (), width)
    if card.lost:
        return [head, ((f"  {fit(say('gpu.lost'), width - 2)}", "bold $error"),), (), (), ()]
    rows = [head]
    for key, share, said in (
        ("memory", memory_pct(card), f"{_gib(card.memory_used_bytes)}/{_gib(card.memory_total_bytes)}G" if card.memory_used_bytes is not None else ""),
        ("compute", card.utilization_gpu_pct, format_pct(card.utilization_gpu_pct) if card.utilization_gpu_pct is not None else ""),
        ("power", power_pct(card), f"{card.power_w:.0f} W" if card.power_w is not None else ""),
    ):
        label = say(f"gpu.{key}")
        lead: Row = (("  ", ""), (label + " " * max(0, 7 - cell_len(label)), "$muted"))
        bar = gauge(share / 100, max(4, width - cells(lead) - 13)) if share is not None else ()
        rows.append(crop((*lead, *bar, (" ", ""), (said, "")), width))
    last: list[Row] = [((f"{card.temperature_c:.0f} °C", ""),) if card.temperature_c is not None else (),
                       ((f"{card.sm_clock_mhz:.0f} MHz", "$muted"),) if card.sm_clock_mhz is not None else ()]  # fmt: skip
    last += [((say(f"gpu.reason-{name}"), "bold $warning"),) for name in held_back_by(card) if name not in CALM][:1]
    return [*rows, (("  ", ""), *fitting(last, width - 2))]


def host_rows(host: HostSample, words: Words, width: int) -> list[Row]:
    """The host, and the run's processes on it."""
    say = words.say
    machine: list[Row] = []
    if host.cpu_pct is not None:
        machine.append(((say("gpu.host-cpu", pct=format_pct(host.cpu_pct)), ""),))
    if host.iowait_pct is not None and host.iowait_pct >= 5:
        machine.append(((say("gpu.host-wait", pct=format_pct(host.iowait_pct)), "bold"),))
    if host.memory_used_bytes is not None and host.memory_total_bytes:
        machine.append(((say("gpu.host-memory", used=format_bytes(host.memory_used_bytes), total=format_bytes(host.memory_total_bytes)), ""),))
    if host.swap_used_bytes:
        machine.append(((say("gpu.host-swap", used=format_bytes(host.swap_used_bytes)), ""),))
    if host.disk_free_bytes is not None:
        machine.append(((say("gpu.host-disk", free=format_bytes(host.disk_free_bytes)), ""),))
    run: list[Row] = []
    if host.job_n_processes:
        run.append(((say("gpu.run-processes", n=host.job_n_processes), ""),))
        if host.job_cpu_pct is not None:
            run.append(((say("gpu.run-cpu", cores=f"{host.job_cpu_pct / 100:.1f}"), ""),))
        if host.job_rss_bytes is not None:
            run.append(((say("gpu.run-memory", size=format_bytes(host.job_rss_bytes)), ""),))
        if host.job_n_disk_wait:
            run.append(((say("gpu.run-waits", n=host.job_n_disk_wait), "bold"),))
        if host.job_read_bytes_per_s is not None and host.job_write_bytes_per_s is not None:
            run.append(((say("gpu.run-io", read=format_bytes(host.job_read_bytes_per_s), write=format_bytes(host.job_write_bytes_per_s)), "$muted"),))
    return [_figure(say(f"gpu.{key}"), None, about, label_cells(words), width) for key, about in (("host", machine), ("run", run)) if about]


def label_cells(words: Words) -> int:
    """Width of the column of names."""
    return max(cell_len(words.say(f"gpu.{key}")) for key in LABELS)


def short_name(card: GpuSample, words: Words) -> str:
    """`GPU 0 RTX 4090`."""
    number = words.say("gpu.numbered", index=card.index) if card.index is not None else words.say("gpu.title")
    return f"{number} {_named(card)}".rstrip()


def _named(card: GpuSample) -> str:
    name = clean(card.name, 60)
    for word in SHORT_NAMES:
        name = name.replace(word, "")
    return fit(name, 24)


def _gib(n_bytes: int | None) -> str | None:
    return None if n_bytes is None else f"{n_bytes / (1 << 30):.1f}"


def _of(part: str | None, whole: str | None, unit: str) -> str:
    return f"{part}/{whole} {unit}" if whole is not None else f"{part} {unit}"


def _spread(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}–{high:.0f}"
