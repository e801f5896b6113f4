-- The holder of the lease has sent its result: should the lease expire, the result was lost, and no worker died.
ALTER TABLE documents ADD COLUMN reported boolean NOT NULL DEFAULT false
    CHECK (NOT reported OR lease_until IS NOT NULL);
