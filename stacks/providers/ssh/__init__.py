"""Provider `ssh`: hosts that exist; checked and recorded, tidied at the end, never destroyed."""
