"""The places where a cluster can live, all behind one interface."""
