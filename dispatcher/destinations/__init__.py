"""Destinations: one package per kind, behind the protocol in `base`."""
