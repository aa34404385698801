"""A real Kubernetes control plane for tests, as plain processes."""
