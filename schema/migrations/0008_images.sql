-- Images that stages use and that are not a person's alone, so that which of them nobody needs any more is known without
-- asking anybody (R24). A row comes before the pull, and goes when the image went. `newer` counts the other images of the
-- stage that succeeded after it; it is empty for one that never did, or whose stage is gone. `is_pulled` says that we
-- fetched it: else it was on the host before, and only our name for it is ours. `left_at` is when it was to go and stayed.
CREATE TABLE images (
    stage_id    TEXT    NOT NULL REFERENCES stages (id) ON DELETE RESTRICT,
    repository  TEXT    NOT NULL,
    tag         TEXT,
    digest      TEXT    NOT NULL CHECK (digest GLOB 'sha256:*' AND length(digest) = 71),
    newer       INTEGER CHECK (newer IS NULL OR newer >= 0),
    is_pulled   INTEGER NOT NULL CHECK (is_pulled IN (0, 1)),
    left_at     INTEGER,
    PRIMARY KEY (stage_id, repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX images_by_digest ON images (digest);
CREATE INDEX images_by_age ON images (newer);

-- What was deployed before this was recorded. That it was pulled is taken as said; what a person made is not ours.
INSERT INTO images (stage_id, repository, tag, digest, newer, is_pulled)
SELECT d.stage_id, d.repository, d.tag, d.digest,
       iif(d.last IS NULL OR (s.removed_at IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM instances i WHERE i.stage_id = s.id)),
           NULL, row_number() OVER (PARTITION BY d.stage_id ORDER BY d.last DESC NULLS LAST) - 1),
       1
FROM (SELECT stage_id, repository, tag, digest, max(iif(status = 'success', id, NULL)) AS last FROM deploys
      WHERE is_local = 0 AND spec_hash <> 'v1:adopted' GROUP BY stage_id, repository, digest) d
JOIN stages s ON s.id = d.stage_id;
