"""Manifests as people write them, and objects as `kubectl get -o yaml` prints them."""

from __future__ import annotations

NAMESPACE = "metallb-system"


def service(name: str = "web", *, port: int = 80, namespace: str = "", spec: str = "") -> str:
    where = f"\n  namespace: {namespace}" if namespace else ""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}{where}\n"
        f"spec:\n  type: LoadBalancer\n{spec}  ports:\n  - port: {port}\n"
    )


def config_map(text: str = "address-pools: []", *, name: str = "config", namespace: str = NAMESPACE) -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
        f"data:\n  config: |\n    {text}\n"
    )


def endpoint_slice(name: str, address: str, *, service_name: str = "web") -> str:
    return (
        f"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
        f"metadata:\n  name: {name}\n  labels:\n    kubernetes.io/service-name: {service_name}\n"
        f"endpoints:\n- addresses: [{address}]\n  nodeName: node1\nports: []\n"
    )


SERVICE_DUMP = """\
apiVersion: v1
kind: Service
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"v1","kind":"Service","metadata":{"name":"nginx"},"spec":{"type":"LoadBalancer"}}
    metallb.universe.tf/address-pool: lbpool
    metallb.universe.tf/allow-shared-ip: dns
    metallb.universe.tf/loadBalancerIPs: 11.11.11.151
  creationTimestamp: "2022-03-01T09:12:44Z"
  labels:
    app: nginx
  managedFields:
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:metadata:
        f:annotations:
          .: {}
          f:metallb.universe.tf/address-pool: {}
      f:spec:
        f:ports:
          .: {}
          k:{"port":80,"protocol":"TCP"}:
            .: {}
            f:port: {}
    manager: kubectl-client-side-apply
    operation: Update
    time: "2022-03-01T09:12:44Z"
  name: nginx
  namespace: shop
  resourceVersion: "18204"
  uid: 0b5c9a4e-7a3c-4b53-9c39-52d5ad01d2b1
spec:
  allocateLoadBalancerNodePorts: true
  clusterIP: 10.96.14.7
  clusterIPs:
  - 10.96.14.7
  externalTrafficPolicy: Local
  healthCheckNodePort: 31022
  internalTrafficPolicy: Cluster
  ipFamilies:
  - IPv4
  ipFamilyPolicy: SingleStack
  loadBalancerClass: metallb.io/bare
  ports:
  - name: http
    nodePort: 30917
    port: 80
    protocol: TCP
    targetPort: 8080
  - name: quic
    nodePort: 30918
    port: 443
    protocol: UDP
    targetPort: quic
  selector:
    tier: front
    app: nginx
  sessionAffinity: None
  type: LoadBalancer
status:
  loadBalancer:
    ingress:
    - ip: 11.11.11.151
      ipMode: VIP
      ports:
      - port: 80
        protocol: TCP
"""

SLICE_DUMP = """\
addressType: IPv4
apiVersion: discovery.k8s.io/v1
endpoints:
- addresses:
  - 10.244.1.12
  conditions:
    ready: true
    serving: true
    terminating: false
  nodeName: node1
  targetRef:
    kind: Pod
    name: nginx-6d4cf56db6-2wz9k
    namespace: shop
    uid: 8e9d8a35-18a9-4a14-8a1f-7c29ad2c8a51
- addresses:
  - 10.244.2.9
  conditions:
    ready: false
    serving: true
    terminating: true
  nodeName: node2
kind: EndpointSlice
metadata:
  creationTimestamp: "2022-03-01T09:12:45Z"
  generateName: nginx-
  labels:
    endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
    kubernetes.io/service-name: nginx
  name: nginx-x7k2v
  namespace: shop
  ownerReferences:
  - apiVersion: v1
    blockOwnerDeletion: true
    controller: true
    kind: Service
    name: nginx
    uid: 0b5c9a4e-7a3c-4b53-9c39-52d5ad01d2b1
ports:
- name: http
  port: 8080
  protocol: TCP
"""

NODE = """\
apiVersion: v1
kind: Node
metadata:
  name: node1
  labels:
    rack: r1
    kubernetes.io/hostname: node1
status:
  conditions:
  - type: MemoryPressure
    status: "False"
  - type: Ready
    status: "{ready}"
"""

ENDPOINTS = """\
apiVersion: v1
kind: Endpoints
metadata:
  name: web
subsets:
- addresses:
  - ip: 10.244.1.12
    nodeName: node1
  notReadyAddresses:
  - ip: 10.244.2.9
  ports:
  - port: 8080
"""


def list_of(*objects: str, kind: str = "List") -> str:
    """Put YAML objects into a List, as `kubectl get` does."""
    items = "".join("- " + text.rstrip("\n").replace("\n", "\n  ") + "\n" for text in objects)
    return f'apiVersion: v1\nitems:\n{items}kind: {kind}\nmetadata:\n  resourceVersion: ""\n'
