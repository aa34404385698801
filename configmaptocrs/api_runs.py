"""Runs that have to do with an API server. Who has none does not import this: what speaks HTTP is large."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from configmaptocrs.api import cluster_nodes, cluster_services, connected, held_resources, source_in
from configmaptocrs.applying import rehearse, write
from configmaptocrs.diffs import diff_of
from configmaptocrs.failure import ConversionError, Exit
from configmaptocrs.inputs import Inputs, cluster_in_files
from configmaptocrs.reports import report, tell
from configmaptocrs.verify import Cluster
from metalpy.cluster.home import home_namespace
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from configmaptocrs.convert import Conversion
    from configmaptocrs.flags import Options
    from metalpy.cluster.api_session import ApiSession

Answer = TypeVar("Answer")


def api_inputs(options: Options, *, for_proof: bool) -> Inputs:
    """Read the configuration from the API server, and `for_proof` what it is to be compared by.

    A file that is named counts instead of what the cluster has. Raises `ConversionError`.
    """
    return _asked(_api_inputs(options, for_proof=for_proof))


def apply(options: Options, conversion: Conversion) -> Exit:
    """Put the result of a conversion to the API server. Raises `ConversionError` where nothing was written."""
    return _asked(_apply(options, conversion))


def _asked(asking: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        return asyncio.run(asking)
    except ClusterError as error:
        raise ConversionError(str(error)) from None


async def _api_inputs(options: Options, *, for_proof: bool) -> Inputs:
    home = options["config-namespace"] or options["namespace"] or home_namespace()
    namespace = options["namespace"] or home
    async with connected(options["kubeconfig"]) as session:
        source = await source_in(session, home, options["config"])
        cluster = cluster_in_files(options) or Cluster()
        if not for_proof:
            return Inputs(source, cluster)
        held = [] if options["crs"] else await held_resources(session, namespace, with_secrets=not options["secrets"])
        if options.has("held") and not held:
            raise ConversionError(f"namespace {namespace} holds no custom resources of metallb.io")
        return Inputs(source, await _completed(session, cluster), held)


async def _completed(session: ApiSession, cluster: Cluster) -> Cluster:
    """Read nodes and Services, unless files say what they are."""
    if cluster.known_nodes is None:
        cluster = replace(cluster, known_nodes=await cluster_nodes(session))
    if cluster.services is None:
        cluster = replace(cluster, services=await cluster_services(session))
    return cluster


async def _apply(options: Options, conversion: Conversion) -> Exit:
    count = len(conversion.objects)
    async with connected(options["kubeconfig"]) as session:
        plan = await rehearse(session, conversion.objects)
        findings = [*conversion.findings, *plan.besides, *plan.refused]
        report(options, findings)
        if plan.refused:
            raise ConversionError(f"nothing was written: {len(plan.refused)} of {count} objects are refused")
        needed = [change for change in plan.changes if change.is_needed]
        for change in needed:
            sys.stdout.write(diff_of(change.held, change.result))
        sys.stdout.flush()
        if not needed:
            tell(f"nothing to write: all {count} objects are there as they are wanted")
            return Exit.DONE
        if not (options.has("yes") or _is_agreed(len(needed))):
            raise ConversionError("nothing was written: nobody agreed to it (-yes does so beforehand)")
        written, failed = await write(session, needed)
    if failed:
        report(options, failed, told=findings)
        tell(f"wrote {written} of {len(needed)} objects, and stopped: run it again when that is mended")
        return Exit.FAILED
    rest = "" if written == count else f"; the other {count - written} were there as they are wanted"
    tell(f"wrote {written} of {count} objects{rest}")
    return Exit.DONE


def _is_agreed(count: int) -> bool:
    sys.stderr.write(f"write {'this object' if count == 1 else f'these {count} objects'}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
