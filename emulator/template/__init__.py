"""Warmed processes that fork replicas: the modules from elsewhere are imported already, the function's own never."""
