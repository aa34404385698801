"""Whole nodes on one machine: boxes of namespaces with kubelet, containerd and kube-proxy on a lab LAN."""
