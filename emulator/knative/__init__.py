"""Knative Services as a source of functions: read as strictly as a cluster's webhook reads them."""
