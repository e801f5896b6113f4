-- Objects that are being removed, or were lately. Whoever refers to one afterwards cannot know whether it is still there.
CREATE TABLE removals (
    key text PRIMARY KEY,
    marked_at timestamptz NOT NULL
);
CREATE INDEX removals_by_age ON removals (marked_at);

INSERT INTO turns (what) VALUES ('objects');
