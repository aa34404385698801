"""A control plane by hand: `python -m tests.lab.kube`, until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal

from tests.lab.kube.control_plane import ControlPlane
from tests.lab.parts import lab_binary


def main() -> None:
    """Start a control plane, say how to reach it, and wait."""
    with ControlPlane() as cluster:
        print(f"export KUBECONFIG={cluster.kubeconfig}\nalias kubectl={lab_binary('kubectl')}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
