"""The Knative Pod Autoscaler as pure functions: annotations, then samples, then decisions, then replicas."""
