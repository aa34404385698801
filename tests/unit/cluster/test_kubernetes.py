"""The order in which a speaker hears of an API server's objects, when some of them take their time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from metalpy.cluster.interface import ConfigChanged, ConfigSynced, NodeChanged, ServiceChanged, Synced
from metalpy.cluster.kubernetes import KubernetesCluster
from metalpy.cluster.traffic import Uncounted
from tests.unit.cluster.streams import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from metalpy.cluster.api_session import ApiSession

NAMED = {
    "configmaps": {"metadata": {"namespace": "metallb-system", "name": "metallb-config"}, "data": {"config": "x"}},
    "nodes": {"metadata": {"name": "node1"}},
    "services": {"metadata": {"namespace": "default", "name": "web"}},
}


class Session:
    """Answers lists of those resources that it is not to hold back, with one object or none; watches stay silent."""

    def __init__(self, *held: str) -> None:
        self.traffic = Uncounted()
        self.held = {name: asyncio.Event() for name in held}

    async def read(self, path: str, query: Mapping[str, str]) -> bytes:
        resource = path.rpartition("/")[2]
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        if event := self.held.get(name or resource):
            await event.wait()
        obj = NAMED.get(resource)
        items = [obj] if obj and name in ("", obj["metadata"]["name"]) else []
        return msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": items})

    async def stream(self, _: str, __: Mapping[str, str]) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def is_granted(self, *_: str, **__: str) -> bool:
        return True

    async def is_served(self, _: str) -> bool:
        return True


def stream_of(session: Session) -> Stream:
    return Stream(
        KubernetesCluster(cast("ApiSession", session), namespace="metallb-system", for_speaker=True),
    )


@pytest.mark.parametrize("missing", ["config", "nodes"])
async def test_configuration_is_not_complete_before_nodes_and_each_configmap_were_looked_for(missing: str) -> None:
    session = Session(missing)
    async with stream_of(session) as stream:
        await stream.until(lambda: any(isinstance(each, ServiceChanged) for each in stream.seen))
        assert not [each for each in stream.seen if isinstance(each, (ConfigSynced, Synced))]
        session.held[missing].set()
        await stream.synced()

    assert [type(each) for each in stream.seen[-2:]] == [ConfigSynced, Synced]


async def test_configuration_and_nodes_are_complete_while_services_are_being_read() -> None:
    session = Session("services")
    async with stream_of(session) as stream:
        await stream.until(lambda: ConfigSynced() in stream.seen)
        before = {type(each) for each in stream.seen}
        session.held["services"].set()
        await stream.synced()

    assert before == {ConfigChanged, NodeChanged, ConfigSynced}
    assert [type(each) for each in stream.seen[-2:]] == [ServiceChanged, Synced]
