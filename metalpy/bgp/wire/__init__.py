"""gobgpd's management API on the wire, versions 3 and 4; what is generated here is made by `make wire`."""
