"""Calls that are answered before they are made."""
