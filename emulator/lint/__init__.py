"""What a real cluster would do to these manifests, said before it does."""
