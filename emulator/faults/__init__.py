"""Trouble on purpose: what a network, a node or an overloaded function does to calls and events."""
