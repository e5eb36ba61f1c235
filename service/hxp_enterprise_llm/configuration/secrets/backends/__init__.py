"""Where secrets lie: one interface, a folder of backends, and one in memory."""
