-- How a deploy will end that is being given up, as JSON: status, reason, and whether the version is held. Written before
-- anything is put back: should that be cut off, what failed is closed as it failed, and not tried once more (R12, R15).
ALTER TABLE deploys ADD COLUMN giving_up TEXT CHECK (giving_up IS NULL OR json_valid(giving_up));
