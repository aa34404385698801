"""metalpy: `type: LoadBalancer` for bare-metal Kubernetes, driven by MetalLB's legacy ConfigMap."""

__version__ = "0.1.0"
