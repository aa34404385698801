"""What the programs of a node are told: configuration files and command lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.lab.parts import cache_directory, lab_binary

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.kube.certificates import Pair

PAUSE_IMAGE = "lab.test/pause:1"
POD_NETWORKS = ("10.78.0.0/16", "fd78::/16")
_CONTAINERD = f"""\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# The machine may lack CAP_SYS_RESOURCE and AppArmor's tools.
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def unpacked(path: str) -> Path:
    """Find a file of the Debian packages that are unpacked, not installed."""
    return cache_directory() / "unpacked" / path


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """One node: who it is, and where the API server is."""

    name: str
    number: int
    addresses: tuple[str, str]
    """IPv4 and IPv6."""
    group: str
    """Its control group, without a leading slash."""
    kubeconfig: Path
    proxy_kubeconfig: Path
    ca: Path
    serving: Pair

    @property
    def pod_networks(self) -> tuple[str, str]:
        """Where this node's pods have their addresses."""
        return pod_networks(self.number)

    def for_box(self, scratch: Path, images: list[Path]) -> dict[str, Any]:
        """Give everything that `box_init.py` needs; logs go to `scratch` too."""
        return {
            "name": self.name,
            "scratch": str(scratch),
            "logs": str(scratch),
            "group": self.group,
            "path": f"{unpacked('usr/bin')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "images": [str(image) for image in images],
            "files": {
                "/run/containerd.toml": _CONTAINERD,
                "/run/kubelet.yaml": json.dumps(self._kubelet()),
                "/run/kube-proxy.yaml": json.dumps(self._kube_proxy()),
                "/run/resolv.conf": "nameserver 127.0.0.1\n",  # there is no name service
                "/etc/cni/net.d/10-lab.conflist": json.dumps(self._cni()),
            },
            "containerd": ["containerd", "--config", "/run/containerd.toml"],
            "kubelet": [
                str(lab_binary("kubelet")),
                "--config=/run/kubelet.yaml",
                f"--kubeconfig={self.kubeconfig}",
                f"--hostname-override={self.name}",
                f"--node-ip={','.join(self.addresses)}",
            ],
            "kube_proxy": [str(lab_binary("kube-proxy")), "--config=/run/kube-proxy.yaml"],
        }

    def _kubelet(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.addresses[0],
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.ca)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(self.serving.certificate),
            "tlsPrivateKeyFile": str(self.serving.key),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.group}",
            "failCgroupV1": False,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "resolvConf": "/run/resolv.conf",
            "clusterDNS": ["10.79.0.10"],  # nobody is there; without it every pod gets a Warning
            "clusterDomain": "cluster.local",
            "readOnlyPort": 0,
            "healthzBindAddress": "127.0.0.1",
            "volumePluginDir": "/var/lib/kubelet/volumeplugins",
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi"},
            "nodeStatusUpdateFrequency": "4s",
            # Watches tell of Secrets and ConfigMaps at once; back-off and polling are what a test would wait for.
            "syncFrequency": "10s",
        }

    def _kube_proxy(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(self.proxy_kubeconfig)},
            "clusterCIDR": ",".join(POD_NETWORKS),
            "hostnameOverride": self.name,
            "healthzBindAddress": f"{self.addresses[0]}:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "conntrack": {"maxPerCore": 0},  # that sysctl is the machine's, not the network namespace's
        }

    def _cni(self) -> dict[str, Any]:
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-ipam",
                "ranges": [[{"subnet": network}] for network in self.pod_networks],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
            },
        }
        port_map = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "1.0.0", "name": "lab", "plugins": [bridge, port_map]}


def pod_networks(number: int) -> tuple[str, str]:
    """Give the IPv4 and the IPv6 network of the pods of the node of a number."""
    return f"10.78.{number}.0/24", f"fd78:{number}::/64"


def controller_manager_command(kubeconfig: Path, root_ca: Path, signing_key: Path) -> list[str]:
    """Write the controller manager's command line; a node counts as dead after 12 s without a sign of life."""
    return [
        str(lab_binary("kube-controller-manager")),
        *_as_client(kubeconfig),
        "--use-service-account-credentials",
        f"--service-account-private-key-file={signing_key}",
        f"--root-ca-file={root_ca}",
        "--allocate-node-cidrs=false",
        "--leader-elect=false",
        "--node-monitor-grace-period=12s",  # 50 s by default
        "--node-monitor-period=2s",
    ]


def scheduler_command(kubeconfig: Path) -> list[str]:
    """Write the scheduler's command line."""
    return [str(lab_binary("kube-scheduler")), *_as_client(kubeconfig), "--leader-elect=false"]


def _as_client(kubeconfig: Path) -> list[str]:
    flags = ("--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig")
    return [*(f"{flag}={kubeconfig}" for flag in flags), "--bind-address=127.0.0.1"]
