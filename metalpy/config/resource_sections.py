"""The fields of custom resources, by kind."""

from __future__ import annotations

from metalpy.config.hints import Section

POOL = Section(
    "the spec of an IPAddressPool",
    ("addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation"),
    {
        "protocol": "unknown key: an L2Advertisement or a BGPAdvertisement that names the pool announces it",
        "bgpadvertisements": "unknown key: write BGPAdvertisement objects that name the pool",
    },
)
ALLOCATION = Section("a service allocation", ("priority", "namespaces", "namespaceSelectors", "serviceSelectors"), {})
OLD_POOL = Section("the spec of an AddressPool", ("protocol", "addresses", "autoAssign", "bgpAdvertisements"))
OLD_ADVERTISEMENT = Section(
    "a BGP advertisement", ("aggregationLength", "aggregationLengthV6", "localPref", "communities")
)

_SELECTION = ("ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors")
_POOLS = {"addresspools": "unknown key: did you mean `ipAddressPools`?"}
L2_ADVERTISEMENT = Section(
    "the spec of an L2Advertisement", (*_SELECTION, "interfaces", "preferredNodeSelectors"), _POOLS
)
PREFERENCE = Section("a preference for nodes", ("weight", "preference"))
BGP_ADVERTISEMENT = Section(
    "the spec of a BGPAdvertisement",
    (*_SELECTION, "peers", "aggregationLength", "aggregationLengthV6", "localPref", "communities"),
    _POOLS,
)

_PEER_V1BETA1 = (
    "myASN",
    "peerASN",
    "peerAddress",
    "sourceAddress",
    "routerID",
    "peerPort",
    "holdTime",
    "keepaliveTime",
    "nodeSelectors",
    "password",
    "bfdProfile",
    "ebgpMultiHop",
)
PEER = {
    "v1beta1": Section("the spec of a BGPPeer in v1beta1", _PEER_V1BETA1),
    "v1beta2": Section(
        "the spec of a BGPPeer",
        (
            *_PEER_V1BETA1,
            "dynamicASN",
            "localASN",
            "interface",
            "connectTime",
            "passwordSecret",
            "enableGracefulRestart",
            "vrf",
            "disableMP",
            "dualStackAddressFamily",
        ),
    ),
}
SECRET = Section("a reference to a Secret", ("name", "namespace"))

PROFILE = Section(
    "the spec of a BFDProfile",
    (
        "receiveInterval",
        "transmitInterval",
        "detectMultiplier",
        "echoInterval",
        "echoMode",
        "passiveMode",
        "minimumTtl",
    ),
)
COMMUNITY = Section("the spec of a Community", ("communities",))
ALIAS = Section("a community alias", ("name", "value"))
