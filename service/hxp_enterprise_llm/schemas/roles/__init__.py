"""Resolved data of each role: plain values that inventory hands to Ansible (D3)."""
