"""Provider `ssh`: hosts that exist; they are checked and recorded, never made or destroyed."""
