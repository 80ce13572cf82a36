-- The directory of services. Spelling as in 0001_schema.sql; DOUBLE PRECISION is the same
-- on both. Nothing here is about a person or belongs to an organisation.
--
-- What one refresh of a feed writes is a load. Rows are visible when their load is that of
-- a row in directory_feed; so a refresh is seen as a whole with one update of one row, and
-- the rows of the load before are removed later, a few at a time.

CREATE TABLE directory_feed (
    name      TEXT   NOT NULL PRIMARY KEY,
    services  BIGINT NOT NULL,
    refreshed BIGINT NOT NULL,
    due       BIGINT NOT NULL,
    state     TEXT   NOT NULL,
    failures  BIGINT NOT NULL,
    problem   TEXT   NOT NULL,
    visible   BIGINT NOT NULL,
    staging   BIGINT NOT NULL,
    claim     TEXT   NOT NULL,
    until     BIGINT NOT NULL
);

CREATE TABLE directory_load (
    load    BIGINT NOT NULL PRIMARY KEY,
    feed    TEXT   NOT NULL,
    retired BIGINT NOT NULL
);

-- A service, location or organisation. sort is the beginning of its folded name; terms
-- holds what it is found by, as JSON, until the load is indexed.
CREATE TABLE directory_entry (
    load      BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    type      TEXT   NOT NULL,
    feed      TEXT   NOT NULL,
    version   BIGINT NOT NULL,
    updated   BIGINT NOT NULL,
    withdrawn BIGINT NOT NULL,
    sort      TEXT   NOT NULL,
    pence     BIGINT NOT NULL,
    listed    TEXT   NOT NULL,
    digest    TEXT   NOT NULL,
    terms     TEXT   NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (load, id)
);
CREATE INDEX directory_entry_sort ON directory_entry (load, sort, id);

-- n numbers the entries of a load in the order of lists, so that the keys below are short.
CREATE TABLE directory_rank (
    load    BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    id      TEXT   NOT NULL,
    type    TEXT   NOT NULL,
    pence   BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (load, n)
);
CREATE INDEX directory_rank_id ON directory_rank (load, id);

-- One value that an entry can be found by. The key is in the order of lists, so that a
-- page is read without sorting, and a second condition on a row at hand is one look into
-- the same key.
CREATE TABLE directory_term (
    load  BIGINT NOT NULL,
    param TEXT   NOT NULL,
    value TEXT   NOT NULL,
    n     BIGINT NOT NULL,
    PRIMARY KEY (load, param, value, n)
);

-- Where an entry is. band is the tenth of a degree of latitude, so that what is near is
-- within some bands and between two longitudes. The index does not begin with load, so
-- that nobody takes it for the key where n is known.
CREATE TABLE directory_place (
    load      BIGINT NOT NULL,
    n         BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    type      TEXT   NOT NULL,
    band      BIGINT NOT NULL,
    longitude DOUBLE PRECISION NOT NULL,
    latitude  DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (load, n, number)
);
CREATE INDEX directory_place_near ON directory_place (type, load, band, longitude, latitude, n);

-- The middles of postcode sectors that the deployment brought.
CREATE TABLE directory_sector (
    sector    TEXT NOT NULL PRIMARY KEY,
    district  TEXT NOT NULL,
    latitude  DOUBLE PRECISION NOT NULL,
    longitude DOUBLE PRECISION NOT NULL
);
CREATE INDEX directory_sector_district ON directory_sector (district);
