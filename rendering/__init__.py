"""From one description to what each platform takes: pure functions from records to manifests."""
