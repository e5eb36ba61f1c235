"""What every part of Citadel stands on: errors and exit codes."""
