"""Security of configuration (CC): access, sessions, passwords, signatures, reports, detection."""

from __future__ import annotations

from hxp_enterprise_llm.configuration.security.service import (
    ConfigurationSecurity,
    SecurityConfig,
)

__all__ = ["ConfigurationSecurity", "SecurityConfig"]
