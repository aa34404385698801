"""The Lease by which several controllers agree on one; apart from the election, so that naming it imports no client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """The Lease to hold, and by whom. A holder renews it in time, or stops before another may take it."""

    namespace: str
    name: str
    identity: str
    duration_s: int
    renew_deadline_s: int
    retry_period_s: int

    @property
    def path(self) -> str:
        """Where it is on the API server."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{self.name}"
