"""The artifact store: wheels, binaries and models by content, fetched before hosts exist (D6)."""
