-- Containers that people made, taken over by a word of theirs (R5): no label of one says whose it is, its row here does.
CREATE TABLE adopted (
    container_id TEXT PRIMARY KEY REFERENCES instances (container_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
