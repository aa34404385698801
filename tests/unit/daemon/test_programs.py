"""What every daemon's page of metrics has, whatever it does."""

from __future__ import annotations

from metalpy.daemon.programs import Observed


async def test_page_has_the_process_s_own_figures_as_metallb_s_has() -> None:
    text = (await Observed().page.text()).decode()

    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"):
        assert f"\n{name} " in text
