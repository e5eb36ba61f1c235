"""Citadel: infrastructure as code and configuration management for self-hosted LLM serving."""

__version__ = "3.0.0"
