-- When a document that had ended was last sent through anew, and on whose behalf: such a run is a span of its own in its trace.
ALTER TABLE documents ADD COLUMN replayed_at timestamptz, ADD COLUMN replay_traceparent text;
