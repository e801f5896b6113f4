"""What a laptop keeps of its traces: a receiver of OTLP, and a small store."""
