-- What the policy of a stage found, and that waits until somebody asks for it (`auto_deploy: false`): as `pin`, JSON.
ALTER TABLE stages ADD COLUMN candidate TEXT CHECK (candidate IS NULL OR json_valid(candidate));
