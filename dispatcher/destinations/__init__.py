"""Destinations: one package for each kind, behind the protocol in `base`."""
