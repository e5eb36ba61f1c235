"""What every part may use: processes, files."""
