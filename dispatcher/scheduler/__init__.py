"""Work done on a schedule by the elected leader."""
