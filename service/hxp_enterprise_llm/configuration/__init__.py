"""Environment files: reading, merging, rules, explaining, and what is generated from models."""
