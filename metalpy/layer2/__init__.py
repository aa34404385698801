"""ARP (and NDP) on the node's LAN: frames, sockets, interfaces."""
