-- Who did what, and a chain of hashes over it. Spelling as in 0001_schema.sql.
--
-- version is that of the entity, 0 where it has none or it is not known; token is the id of
-- the access token; shown holds whose data a list showed, where it was that of several: one
-- part for each organisation, ODS:patient,patient and a semicolon between. Each record is in
-- one stream, with the next number there and a hash over its columns and the record before
-- (see chain.go). Those from before this migration have no stream.
ALTER TABLE audit ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN user_role TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN token TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN shown TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN stream TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';

-- The ids of records are in the order of time, so that these are lists by time.
CREATE INDEX audit_organisation ON audit (organisation, id) WHERE organisation <> '';
CREATE INDEX audit_actor ON audit (actor, id) WHERE actor <> '';
CREATE INDEX audit_patient ON audit (patient, id) WHERE patient <> '';
CREATE INDEX audit_entity ON audit (entity, id) WHERE entity <> '';

-- Whom else a record is about: Patient/id, or the ODS code of an organisation, where audit
-- has no room for all that a list showed. organisation is whose data it is.
CREATE TABLE audit_about (
    about        TEXT   NOT NULL,
    audit        TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    PRIMARY KEY (about, audit, organisation)
);

-- The streams: one for each connection that commits, begun anew by each process. previous
-- names the ends of other streams when it began, a line each of stream, number and hash;
-- hash is what the first record follows. sequence and head are where it stands, named how
-- far a later stream has named it, pruned and anchor the last record that was removed and
-- its hash.
CREATE TABLE audit_stream (
    id       TEXT   NOT NULL PRIMARY KEY,
    began    BIGINT NOT NULL,
    previous TEXT   NOT NULL,
    hash     TEXT   NOT NULL,
    sequence BIGINT NOT NULL,
    head     TEXT   NOT NULL,
    named    BIGINT NOT NULL,
    pruned   BIGINT NOT NULL,
    anchor   TEXT   NOT NULL
);

-- Where a stream stood at some time, sealed with a key where the process has one. pruned is
-- 1 for how far it was removed. signer names the key.
CREATE TABLE audit_checkpoint (
    stream   TEXT   NOT NULL,
    sequence BIGINT NOT NULL,
    pruned   BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    hash     TEXT   NOT NULL,
    signer   TEXT   NOT NULL,
    seal     TEXT   NOT NULL,
    PRIMARY KEY (stream, sequence, pruned)
);
