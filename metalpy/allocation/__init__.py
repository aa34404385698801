"""Which Service gets which address: pools, the allocator, and one Service's next state. Pure."""
