"""One of several controllers at a time, by a Lease: the official client's election, with an end that is noticed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog
from kubernetes.aio.client import ApiClient, ApiException, Configuration, V1Lease, V1ObjectMeta
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from metalpy.cluster.api_session import NO_ANSWER
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from metalpy.cluster.api_session import ApiSession
    from metalpy.cluster.lease import Lease

_AGAIN_S = 0.5
"""After a renewal that failed: a server that is only there for a moment at a time keeps its leader."""

_log = structlog.get_logger()


class _PatientLock(LeaseLock):  # type: ignore[misc] # the client has no types for it
    """A lock to which a server that cannot be reached is a try that failed, not the end of the election."""

    def __init__(self, session: ApiSession, lease: Lease) -> None:
        super().__init__(lease.name, lease.namespace, lease.identity, _client_over(session))

    async def get(self, name: str, namespace: str) -> Any:
        try:
            return await super().get(name, namespace)
        except NO_ANSWER as error:
            return False, ApiException(status=0, reason=repr(error))

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        # The client's own creation passes an argument that its own validation refuses (seen in 37.0).
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            await self.api_instance.create_namespaced_lease(namespace, lease)
        except (ApiException, *NO_ANSWER):
            return False
        return True

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        try:
            return bool(await super().update(name, namespace, updated_record))
        except NO_ANSWER:
            return False


def _client_over(session: ApiSession) -> ApiClient:
    """Make the official client's API on a session, which adds the credentials and what is of the connection."""
    client = ApiClient(Configuration(host=session.credentials.host))
    client.rest_client.pool_manager = session
    return client


class _Election(LeaderElection):  # type: ignore[misc] # likewise
    """An election that goes by time that passes: neither a hanging request nor a clock that is set makes two leaders.

    The client's own lets a request take five minutes, measures Leases by the wall's clock, and waits its full period
    also while it cannot renew. And a leader of its kind that sees another one goes on until its deadline.
    """

    def __init__(self, election_config: Config) -> None:
        super().__init__(election_config)
        self._clock_ahead_s = _clock_ahead_s()

    async def try_acquire_or_renew(self) -> bool:
        """Try once; a server that does not answer in half the deadline leaves time to ask over another connection."""
        self._follow_the_clock()
        try:
            async with asyncio.timeout(self.election_config.renew_deadline / 2):
                return bool(await super().try_acquire_or_renew())
        except TimeoutError:
            return False

    async def renew_loop(self) -> None:
        """Renew until that failed for the deadline, counted from when the last good renewal began."""
        config, loop = self.election_config, asyncio.get_running_loop()
        renewed_s = loop.time()
        while (now_s := loop.time()) < renewed_s + config.renew_deadline:
            try:
                async with asyncio.timeout_at(renewed_s + config.renew_deadline):
                    is_renewed = await self.try_acquire_or_renew()
            except TimeoutError:
                return
            if is_renewed:
                renewed_s = now_s
                await asyncio.sleep(config.retry_period)
            elif self._another_leads():
                return
            else:
                await asyncio.sleep(min(_AGAIN_S, config.retry_period))

    def _another_leads(self) -> bool:
        record = self.observed_record
        return record is not None and record.holder_identity != self.election_config.lock.identity

    def _follow_the_clock(self) -> None:
        """Move the time at which the Lease was seen to change as far as the wall's clock was set since."""
        ahead_s = _clock_ahead_s()
        self.observed_time_milliseconds += round(1000 * (ahead_s - self._clock_ahead_s))
        self._clock_ahead_s = ahead_s


def _clock_ahead_s() -> float:
    """Give how far the wall's clock is ahead of the one that nobody sets."""
    return time.time() - time.monotonic()


async def may_lead(session: ApiSession, lease: Lease) -> bool:
    """Tell whether the Lease is granted; MetalLB's RBAC up to 0.12 grants none."""
    # A creation cannot be granted by name.
    for verb, name in (("create", ""), ("get", lease.name), ("update", lease.name)):
        if not await session.is_granted(
            verb, "leases", group="coordination.k8s.io", namespace=lease.namespace, name=name
        ):
            return False
    return True


async def lead(session: ApiSession, lease: Lease, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait for the Lease, then do `work` while it is held.

    Raises `ClusterError` when leadership is lost, and whatever `work` raises. Gives the Lease up at the end, so
    that the next one need not wait until it runs out.
    """
    leading = asyncio.Event()

    async def started() -> None:
        leading.set()

    config = Config(
        _PatientLock(session, lease),
        lease_duration=lease.duration_s,
        renew_deadline=lease.renew_deadline_s,
        retry_period=lease.retry_period_s,
        onstarted_leading=started,
        onstopped_leading=None,
    )
    tasks = [asyncio.create_task(_Election(config).run()), asyncio.create_task(leading.wait())]
    election = tasks[0]
    _log.info("waiting to lead", op="leaderElection", lease=lease.name, identity=lease.identity)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if leading.is_set():
            _log.info("leading", op="leaderElection", lease=lease.name, identity=lease.identity)
            worker = asyncio.create_task(work())
            tasks.append(worker)
            await asyncio.wait((election, worker), return_when=asyncio.FIRST_COMPLETED)
            if worker.done():
                return worker.result()
        if failure := election.exception():
            raise ClusterError(f"leader election failed: {failure!r}") from failure
        raise ClusterError(f"lost the Lease {lease.namespace}/{lease.name}: another controller may lead now")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _give_up(session, lease)


async def _give_up(session: ApiSession, lease: Lease) -> None:
    try:
        held = await session.get(lease.path)
        if held.get("spec", {}).get("holderIdentity") == lease.identity:
            held["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            await session.put(lease.path, held)
    except ClusterError as error:
        _log.info("the lease was not given up, it will run out", op="leaderElection", error=str(error))
