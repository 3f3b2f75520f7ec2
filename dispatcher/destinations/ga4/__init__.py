"""GA4's Measurement Protocol."""
