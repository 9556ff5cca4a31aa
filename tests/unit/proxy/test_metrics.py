"""What a scrape of the proxy shows."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from podyard.proxy.counters import Report
from podyard.proxy.metrics import ProxyMetrics

WEB, DNS = ("default", "web"), ("kube-system", "kube-dns")


def scraped(metrics: ProxyMetrics) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, value in (one.rsplit(" ", 1) for one in lines if one[0] != "#")}


def of(service: tuple[str, str]) -> str:
    return f'namespace="{service[0]}",service="{service[1]}"'


def test_the_reports_of_all_workers_are_added_up() -> None:
    metrics = ProxyMetrics()
    metrics.listeners, metrics.failed_listeners, metrics.worker_restarts = 5, 1, 2
    metrics.reported(0, Report({WEB: (9, 9, 9, 9, 9)}, pauses=9, paused=False))
    metrics.reported(0, Report({WEB: (10, 4, 1000, 2000, 3)}, pauses=1, paused=True))
    metrics.reported(1, Report({WEB: (1, 1, 10, 20, 0), DNS: (7, 0, 70, 700, 0)}, pauses=0, paused=False))
    assert scraped(metrics) == {
        f"podyard_proxy_connections_total{{{of(WEB)}}}": 11,
        f"podyard_proxy_connections_total{{{of(DNS)}}}": 7,
        f"podyard_proxy_active_connections{{{of(WEB)}}}": 5,
        f"podyard_proxy_active_connections{{{of(DNS)}}}": 0,
        f'podyard_proxy_bytes_total{{direction="received",{of(WEB)}}}': 1010,
        f'podyard_proxy_bytes_total{{direction="sent",{of(WEB)}}}': 2020,
        f'podyard_proxy_bytes_total{{direction="received",{of(DNS)}}}': 70,
        f'podyard_proxy_bytes_total{{direction="sent",{of(DNS)}}}': 700,
        f"podyard_proxy_errors_total{{{of(WEB)}}}": 3,
        f"podyard_proxy_errors_total{{{of(DNS)}}}": 0,
        "podyard_proxy_listeners": 5,
        "podyard_proxy_failed_listeners": 1,
        "podyard_proxy_worker_restarts_total": 2,
        "podyard_proxy_accept_pauses_total": 1,
        "podyard_proxy_accept_paused": 1,
    }


def test_what_a_worker_counted_outlives_it_and_its_connections_do_not() -> None:
    metrics = ProxyMetrics()
    metrics.reported(0, Report({WEB: (10, 4, 1000, 2000, 3)}, pauses=1, paused=True))
    metrics.ended(0)
    metrics.reported(0, Report({WEB: (1, 1, 1, 1, 1)}, pauses=0, paused=False))
    shown = scraped(metrics)
    assert shown[f"podyard_proxy_connections_total{{{of(WEB)}}}"] == 11
    assert shown[f"podyard_proxy_active_connections{{{of(WEB)}}}"] == 1
    assert shown["podyard_proxy_accept_pauses_total"] == 1
    assert shown["podyard_proxy_accept_paused"] == 0


def test_a_service_that_is_gone_is_not_shown() -> None:
    metrics = ProxyMetrics()
    metrics.reported(0, Report({WEB: (10, 4, 1000, 2000, 3)}, pauses=0, paused=False))
    metrics.ended(0)
    metrics.forget(WEB)
    assert not [name for name in scraped(metrics) if of(WEB) in name]
