-- The client assertions that were used, until they end: each counts once, in whatever
-- process. jti is the SHA-256 of what the client wrote, in hexadecimal. Spelling as in
-- 0001_schema.sql.
CREATE TABLE assertion (
    client TEXT   NOT NULL,
    jti    TEXT   NOT NULL,
    until  BIGINT NOT NULL,
    PRIMARY KEY (client, jti)
);
CREATE INDEX assertion_until ON assertion (until);
