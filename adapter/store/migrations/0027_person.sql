-- What is known of where facts about a Patient come from: when each was learned and from whom
-- (held, JSON without the facts themselves, which are in the Patient), and when the person was
-- last looked up. number counts the changes of held. Spelling as in 0001_schema.sql.
CREATE TABLE person (
    patient      TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    held         TEXT   NOT NULL,
    asked        BIGINT NOT NULL,
    answered     BIGINT NOT NULL,
    etag         TEXT   NOT NULL,
    problem      TEXT   NOT NULL
);
