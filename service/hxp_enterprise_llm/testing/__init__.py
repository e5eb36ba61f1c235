"""Helpers for tests of this and of other projects: hosts, factories, fakes."""
