-- Everything the adapter keeps. One text for SQLite and PostgreSQL; the type words
-- below are spelled per database when this runs (see database.go):
--   TEXT   TEXT, on PostgreSQL with the collation "C", so that both sort by bytes
--   BYTES  BLOB or BYTEA
-- Ids are UUIDv7 text, so that primary keys grow at the end. Times are milliseconds
-- UTC. Flags are 0 or 1. "" means none; NULL is used for dates that are not there.

CREATE TABLE message (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    client       TEXT   NOT NULL,
    dialect      TEXT   NOT NULL,
    content_type TEXT   NOT NULL,
    sha256       TEXT   NOT NULL,
    body         BYTES  NOT NULL
);

CREATE TABLE response (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    status       BIGINT NOT NULL,
    content_type TEXT   NOT NULL,
    location     TEXT   NOT NULL,
    etag         TEXT   NOT NULL,
    body         BYTES  NOT NULL
);

-- id is the SHA-256 of kind, scope and value, so that a look-up compares one short
-- column however long a value its sender chose.
CREATE TABLE key (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    scope        TEXT   NOT NULL,
    value        TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    hash         TEXT   NOT NULL,
    response     TEXT   NOT NULL
);

-- One row per version. Only current is ever updated.
CREATE TABLE resource (
    id           TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    type         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    updated      BIGINT NOT NULL,
    current      BIGINT NOT NULL,
    deleted      BIGINT NOT NULL,
    hidden       BIGINT NOT NULL,
    referral     TEXT   NOT NULL,
    patient      TEXT   NOT NULL,
    since        BIGINT,
    until        BIGINT,
    body         TEXT   NOT NULL,
    PRIMARY KEY (id, number)
);
CREATE INDEX resource_type ON resource (type, updated, id);
CREATE INDEX resource_patient ON resource (patient);

-- What search may find a current resource by.
CREATE TABLE term (
    id           TEXT NOT NULL,
    type         TEXT NOT NULL,
    param        TEXT NOT NULL,
    system       TEXT NOT NULL,
    value        TEXT NOT NULL,
    organisation TEXT NOT NULL
);
CREATE INDEX term_id ON term (id);
CREATE INDEX term_value ON term (type, param, value, organisation);

-- The current state of a referral. Its history is in event and resource.
CREATE TABLE referral (
    id              TEXT   NOT NULL PRIMARY KEY,
    organisation    TEXT   NOT NULL,
    owner           TEXT   NOT NULL,
    pool            TEXT   NOT NULL,
    version         BIGINT NOT NULL,
    status          TEXT   NOT NULL,
    open            BIGINT NOT NULL,
    business_status TEXT   NOT NULL,
    patient         TEXT   NOT NULL,
    service_request TEXT   NOT NULL,
    filler          TEXT   NOT NULL,
    sharing         TEXT   NOT NULL,
    dialect         TEXT   NOT NULL,
    attempts        BIGINT NOT NULL,
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL,
    message         TEXT   NOT NULL
);
CREATE INDEX referral_created ON referral (created, id);
CREATE INDEX referral_open ON referral (created, id) WHERE open = 1;
CREATE INDEX referral_owner ON referral (owner, open, created, id);
CREATE INDEX referral_organisation ON referral (organisation, open, created, id);
CREATE INDEX referral_patient ON referral (patient);

-- The normalised referral, apart from its state so that a change of state is small.
CREATE TABLE content (
    referral     TEXT NOT NULL PRIMARY KEY,
    organisation TEXT NOT NULL,
    body         TEXT NOT NULL
);

CREATE TABLE event (
    id              TEXT   NOT NULL,
    referral        TEXT   NOT NULL,
    organisation    TEXT   NOT NULL,
    move            TEXT   NOT NULL,
    from_status     TEXT   NOT NULL,
    to_status       TEXT   NOT NULL,
    business_status TEXT   NOT NULL,
    reason          TEXT   NOT NULL,
    actor           TEXT   NOT NULL,
    role            TEXT   NOT NULL,
    at              BIGINT NOT NULL,
    data            TEXT   NOT NULL,
    PRIMARY KEY (referral, id)
);

CREATE TABLE audit (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    client       TEXT   NOT NULL,
    actor        TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    interaction  TEXT   NOT NULL,
    outcome      TEXT   NOT NULL,
    entity       TEXT   NOT NULL,
    patient      TEXT   NOT NULL,
    request_id   TEXT   NOT NULL,
    query        TEXT   NOT NULL,
    issue        TEXT   NOT NULL
);

-- The outbox. open is 1 while queued or sending; wake is when a row may be claimed:
-- due while queued, the end of the lease while sending. place is the order to send in.
CREATE TABLE delivery (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    referral     TEXT   NOT NULL,
    recipient    TEXT   NOT NULL,
    place        BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    open         BIGINT NOT NULL,
    wake         BIGINT NOT NULL,
    claim        TEXT   NOT NULL,
    attempts     BIGINT NOT NULL,
    problem      TEXT   NOT NULL,
    move         TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    route        TEXT   NOT NULL,
    content_type TEXT   NOT NULL,
    facts        TEXT   NOT NULL,
    due          BIGINT NOT NULL,
    expires      BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    replay_of    TEXT   NOT NULL,
    supersedes   TEXT   NOT NULL,
    body         BYTES  NOT NULL
);
CREATE INDEX delivery_order ON delivery (referral, recipient, place, id);
CREATE INDEX delivery_wake ON delivery (wake) WHERE open = 1;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'dead';

CREATE TABLE attempt (
    delivery     TEXT   NOT NULL REFERENCES delivery (id),
    number       BIGINT NOT NULL,
    organisation TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    duration     BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    due          BIGINT NOT NULL,
    status       BIGINT NOT NULL,
    issue        TEXT   NOT NULL,
    details      TEXT   NOT NULL,
    PRIMARY KEY (delivery, number)
);
