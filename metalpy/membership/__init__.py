"""Which speakers are alive."""
