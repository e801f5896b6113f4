"""New code takes over while the function runs: what changed is noticed, checked, started, and only then asked."""
