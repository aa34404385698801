"""Options that the daemon commands share. Names and defaults are those of MetalLB's controller and speaker."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from pathlib import Path
from typing import Any

import click

from metalpy.allocation.allocator import OnConflict
from metalpy.cli.parameters import Command, Seconds, added, go_flag
from metalpy.cluster.home import USUAL_NAMESPACE, home_namespace
from metalpy.cluster.lease import Lease
from metalpy.config.source import ConfigSource
from metalpy.daemon.settings import (
    DEFAULT_PORT,
    ApiServer,
    ClusterSettings,
    ControllerSettings,
    HTTPSettings,
    Manifests,
    SecretSettings,
)
from metalpy.observe import logs


def cluster_options(command: Command) -> Command:
    """Add the options that say where the cluster and its configuration are."""
    return added(
        command,
        click.option(
            "--kubeconfig",
            type=click.Path(exists=True, path_type=Path, dir_okay=False),
            help="How to reach the API server.  [default: as the pod that this runs in]",
        ),
        click.option(
            "--manifests",
            type=click.Path(path_type=Path, file_okay=False),
            help="Directory of YAML manifests that is the cluster, instead of an API server.",
        ),
        click.option(
            "--state-dir",
            type=click.Path(path_type=Path, file_okay=False),
            help="Directory for addresses and events of the cluster in --manifests.  [default: one for each "
            "directory of manifests, under /var/lib/metalpy or ~/.local/state/metalpy]",
        ),
        click.option("--config", "config_name", help="Name of the ConfigMap.  [default: config, else metallb-config]"),
        click.option(
            "--config-source",
            type=click.Choice([source.value for source in ConfigSource]),
            default=ConfigSource.CONFIGMAP.value,
            show_default=True,
            help="What the configuration is read from: the ConfigMap, custom resources of metallb.io, or (auto) "
            "those only where there is no ConfigMap but a pool among them.",
        ),
        click.option(
            "--namespace",
            envvar="METALLB_NAMESPACE",
            help=f"Namespace of the configuration.  [default: the pod's, else {USUAL_NAMESPACE}]",
        ),
        click.option("--pod-name", envvar="POD_NAME", default="", help="The Pod that this runs in.  [default: none]"),
        click.option(
            "--pod-uid",
            envvar="POD_UID",
            default="",
            help="Its UID: objects that show a daemon's state vanish with that Pod.  [default: none]",
        ),
        click.option("--lb-class", default="", help="The spec.loadBalancerClass that is ours.  [default: none]"),
        go_flag("--disable-epslices", help="Read Endpoints, never EndpointSlices."),
        go_flag("--enable-pprof", help="Accepted for MetalLB's manifests; there are no such pages."),
        click.option("--host", envvar="METALLB_HOST", default="", help="Address of the HTTP port.  [default: all]"),
        click.option(
            "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="HTTP port."
        ),
        click.option(
            "--log-level",
            type=click.Choice(list(logs.LEVELS)),
            default="info",
            show_default=True,
            help="The least severe lines that are logged.",
        ),
    )


def controller_options(command: Command) -> Command:
    """Add the options that say how a controller works."""
    return added(
        command,
        click.option(
            "--on-conflict",
            type=click.Choice([choice.value for choice in OnConflict]),
            default=OnConflict.REFUSE.value,
            show_default=True,
            help="What to do with a configuration that takes addresses away from Services.",
        ),
        click.option(
            "--ml-secret-name", envvar="METALLB_ML_SECRET_NAME", default="", help="Memberlist secret to create."
        ),
        click.option("--deployment", envvar="METALLB_DEPLOYMENT", default="", help="Deployment that owns the secret."),
        go_flag("--leader-elect", default=True, help="Work only while holding a Lease, where Leases are granted."),
        click.option(
            "--leader-elect-identity",
            envvar="POD_NAME",
            help="Who we are to the other controllers; a restarted container that is the same goes on leading at "
            "once.  [default: different at each start]",
        ),
        click.option(
            "--leader-elect-resource-name",
            default="metalpy-controller",
            show_default=True,
            help="Name of the Lease, in the namespace of the configuration.",
        ),
        click.option(
            "--leader-elect-lease-duration",
            type=Seconds(),
            default="15s",
            show_default=True,
            help="How long others wait for a leader that does not renew the Lease.",
        ),
        click.option(
            "--leader-elect-renew-deadline",
            type=Seconds(),
            default="10s",
            show_default=True,
            help="How long a leader that cannot renew it goes on.",
        ),
        click.option(
            "--leader-elect-retry-period",
            type=Seconds(),
            default="2s",
            show_default=True,
            help="Pause between two tries to get or renew it.",
        ),
    )


def cluster_settings(options: dict[str, Any]) -> ClusterSettings:
    """Read where the cluster is from parsed options. Raises `click.UsageError` where they contradict."""
    manifests: Path | None = options["manifests"]
    if manifests and options["kubeconfig"]:
        raise click.UsageError("--manifests and --kubeconfig are two clusters: give one of them")
    home = (
        Manifests(manifests, options["state_dir"] or _state_of(manifests))
        if manifests
        else ApiServer(options["kubeconfig"], slices=not options["disable_epslices"])
    )
    namespace = options["namespace"] or home_namespace()
    source = ConfigSource(options["config_source"])
    pod = options["pod_name"], options["pod_uid"]
    return ClusterSettings(home, namespace, options["config_name"], options["lb_class"], source, *pod)


def controller_settings(options: dict[str, Any]) -> ControllerSettings:
    """Read the controller's settings from parsed options."""
    lease = Lease(
        namespace=options["namespace"] or home_namespace(),
        name=options["leader_elect_resource_name"],
        identity=options["leader_elect_identity"] or f"{socket.gethostname()}_{uuid.uuid4()}",
        duration_s=options["leader_elect_lease_duration"],
        renew_deadline_s=options["leader_elect_renew_deadline"],
        retry_period_s=options["leader_elect_retry_period"],
    )
    return ControllerSettings(
        OnConflict(options["on_conflict"]),
        lease if options["leader_elect"] else None,
        SecretSettings(options["ml_secret_name"], options["deployment"]),
    )


def http_settings(options: dict[str, Any]) -> HTTPSettings:
    """Read the HTTP port from parsed options."""
    return HTTPSettings(options["host"], options["port"])


def _state_of(manifests: Path) -> Path:
    """Choose a state directory: always the same for the same directory of manifests, never inside it."""
    resolved = manifests.resolve()
    name = f"{resolved.name}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:12]}"
    if os.geteuid() == 0:
        return Path("/var/lib/metalpy") / name
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "metalpy" / name
