"""Who announces which address. Pure: layer 2 elections here, BGP routes beside it."""
