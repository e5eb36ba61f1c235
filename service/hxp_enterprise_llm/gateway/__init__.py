"""The gateway: the one door for users. A key, a model's name, and bytes that pass through."""
