"""Counts and times for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """What one service has done since it was started."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vljepa_requests", "Requests that were answered", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "vljepa_request_seconds", "Seconds until the answer", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self._batches = Histogram(
            "vljepa_batch_size", "Pieces that were computed together", ["kind"], buckets=_SIZES, registry=self._registry
        )
        self._computing = Counter(
            "vljepa_model_seconds", "Seconds that the model worked", ["kind"], registry=self._registry
        )

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """A number that is asked for when somebody looks."""
        Gauge(f"vljepa_{name}", help, registry=self._registry).set_function(value)

    def batch(self, kind: str, size: int, seconds: float) -> None:
        """A batch was computed."""
        self._batches.labels(kind).observe(size)
        self._computing.labels(kind).inc(seconds)

    def finished(self, scope: Scope, status: int, seconds: float) -> None:
        """A request was answered; its route, not its path, which may hold anything."""
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
        self._requests.labels(route, method, str(status)).inc()
        if not route.endswith("/events"):
            self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' own format."""
        return generate_latest(self._registry)
