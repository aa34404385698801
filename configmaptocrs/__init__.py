"""From MetalLB's legacy ConfigMap to custom resources."""
