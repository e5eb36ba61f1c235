"""Bundles on the controller: what a role declares, rendered and compared with a host (D4)."""
