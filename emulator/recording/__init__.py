"""Calls and events of a run, kept on disk without what is secret in them, to be played again."""
