"""Toy: an advertising platform that does not exist, with an API of one endpoint."""
