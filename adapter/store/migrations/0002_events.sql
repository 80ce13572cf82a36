-- Events for those who follow them. The type word IDENTITY is spelled per database: a
-- number that the database gives a row when it is inserted (see database.go).

-- Events that are committed and have no numbers yet, in the order they were inserted.
-- audiences are names with blanks between.
CREATE TABLE waiting (
    place     IDENTITY PRIMARY KEY,
    audiences TEXT     NOT NULL,
    body      TEXT     NOT NULL
);

-- Whoever may read the same events. last is the number of the newest, oldest that of
-- the oldest which is kept; head is the last of the operators, who see every event, at
-- the moment when this row changed.
CREATE TABLE audience (
    name   TEXT   NOT NULL PRIMARY KEY,
    last   BIGINT NOT NULL,
    oldest BIGINT NOT NULL,
    head   BIGINT NOT NULL
);
CREATE INDEX audience_head ON audience (head);

-- What an audience reads: its numbers begin at 1 and have no gaps. at is when the number
-- was given.
CREATE TABLE feed (
    audience TEXT   NOT NULL,
    number   BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    body     TEXT   NOT NULL,
    PRIMARY KEY (audience, number)
);

-- Whoever is told of events: webhooks and Subscriptions. Its deliveries have its id as
-- recipient and no referral, which makes one order of all of them. reached is the number
-- of the last event that was looked at for it, sent how many it was told of.
CREATE TABLE subscriber (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    audience     TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    client       TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    status       TEXT   NOT NULL,
    problem      TEXT   NOT NULL,
    url          TEXT   NOT NULL,
    settings     TEXT   NOT NULL,
    secret       TEXT   NOT NULL,
    former       TEXT   NOT NULL,
    former_until BIGINT NOT NULL,
    reached      BIGINT NOT NULL,
    sent         BIGINT NOT NULL,
    heartbeat    BIGINT NOT NULL,
    beat         BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    updated      BIGINT NOT NULL
);
CREATE INDEX subscriber_audience ON subscriber (audience, kind, id);

-- Which event a Subscription was told of under which number of its own.
CREATE TABLE notification (
    subscriber TEXT   NOT NULL,
    number     BIGINT NOT NULL,
    event      BIGINT NOT NULL,
    PRIMARY KEY (subscriber, number)
);

-- What still has to go, by its order: the deliveries to one subscriber are many, and
-- those that are done must not be walked over to find the first that is not.
CREATE INDEX delivery_lane ON delivery (referral, recipient, place, id) WHERE open = 1;
