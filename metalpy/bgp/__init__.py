"""BGP by a gobgpd over gRPC."""
