-- Hosts in a proxy that people use as well (R1): which one belongs to a stage, and whether its last change was proven (R9).
-- `proxy` is the address: a number means nothing in another proxy. `host_id` is empty while the answer to its making is
-- not known. `domains` are those it was given last, as a sorted JSON list: should a person's save drop our mark, it is
-- still known by number and domains together.
CREATE TABLE proxy_hosts (
    stage_id    TEXT    PRIMARY KEY REFERENCES stages (id) ON DELETE RESTRICT,
    proxy       TEXT    NOT NULL,
    host_id     INTEGER CHECK (host_id IS NULL OR host_id > 0),
    domains     TEXT    NOT NULL CHECK (json_valid(domains)),
    is_dirty    INTEGER NOT NULL CHECK (is_dirty IN (0, 1)),
    updated_at  INTEGER NOT NULL,
    CHECK (host_id IS NOT NULL OR is_dirty = 1)
) STRICT, WITHOUT ROWID;

-- What a stage has been routed with since its newest success, where only its route was changed since: the domains and
-- what is set beside them, as JSON. Empty: as that deploy's own spec says. It is what stays while the stage is held.
ALTER TABLE stages ADD COLUMN route TEXT CHECK (route IS NULL OR json_valid(route));
