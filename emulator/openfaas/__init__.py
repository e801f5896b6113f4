"""The REST contract of the OpenFaaS gateway."""
