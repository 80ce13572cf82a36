-- What is sent through others is awaiting until its recipient has acknowledged it. Such a row
-- has open 0: nobody claims it, and what comes after it may go. wake is until when an
-- acknowledgement must be here; said is what those that came say, in words.
ALTER TABLE delivery ADD COLUMN said TEXT NOT NULL DEFAULT '';
CREATE INDEX delivery_awaiting ON delivery (wake, id) WHERE state = 'awaiting';

-- The names by which an acknowledgement may call the message that a delivery went out as:
-- they are written before it is sent, so that none comes too early.
CREATE TABLE dispatch (
    name         TEXT   NOT NULL,
    delivery     TEXT   NOT NULL REFERENCES delivery (id),
    organisation TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (name, delivery)
);
CREATE INDEX dispatch_delivery ON dispatch (delivery);

-- What came back, under the id that it had on its way; delivery is '' for what is about
-- nothing that was sent from here.
CREATE TABLE acknowledgement (
    id           TEXT   NOT NULL PRIMARY KEY,
    delivery     TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    code         TEXT   NOT NULL,
    negative     BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    workflow     TEXT   NOT NULL,
    problem      TEXT   NOT NULL,
    body         BYTES  NOT NULL
);
-- The same answer in another message is no second one.
CREATE UNIQUE INDEX acknowledgement_once ON acknowledgement (delivery, kind, code, negative) WHERE delivery <> '';
CREATE INDEX acknowledgement_loose ON acknowledgement (at, id) WHERE delivery = '';
