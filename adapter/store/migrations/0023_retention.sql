-- Retention. Spelling as in 0001_schema.sql.
--
-- about is what a message, an answer or a key goes with: a referral, or a Patient where there
-- is none; "" for what is about no person, and for what was stored before this and cannot be
-- told any more, which goes by its own age.
ALTER TABLE message ADD COLUMN about TEXT NOT NULL DEFAULT '';
ALTER TABLE response ADD COLUMN about TEXT NOT NULL DEFAULT '';
ALTER TABLE key ADD COLUMN about TEXT NOT NULL DEFAULT '';

CREATE INDEX retention_message ON referral (message);
UPDATE message SET about = COALESCE((SELECT MIN(f.id) FROM referral f WHERE f.message = message.id), '');
DROP INDEX retention_message;
-- What was stored in one commit has one time; two commits of an organisation may share it too.
CREATE INDEX retention_commit ON message (organisation, at);
UPDATE response SET about = COALESCE((SELECT MIN(m.about) FROM message m WHERE m.organisation = response.organisation AND m.at = response.at HAVING COUNT(*) = 1), '');
DROP INDEX retention_commit;
UPDATE key SET about = COALESCE((SELECT r.about FROM response r WHERE r.id = key.response), '') WHERE response <> '';
UPDATE key SET about = hash WHERE kind = 'patient';
UPDATE key SET about = value WHERE kind = 'successor';

CREATE INDEX message_about ON message (about) WHERE about <> '';
CREATE INDEX message_loose ON message (organisation, at, id) WHERE about = '';
CREATE INDEX response_about ON response (about) WHERE about <> '';
CREATE INDEX response_loose ON response (organisation, at, id) WHERE about = '';
CREATE INDEX key_about ON key (about) WHERE about <> '';

-- What was removed at the end of its retention: its id answers that it is gone, to those who
-- might have seen it.
CREATE TABLE gone (
    id           TEXT   NOT NULL PRIMARY KEY,
    type         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    owner        TEXT   NOT NULL,
    at           BIGINT NOT NULL
);

-- Holds: what must be kept whatever its age. kind is referral, patient or organisation;
-- lifted is 0 while the hold stands. Rows stay.
CREATE TABLE hold (
    id          TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    target      TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    placed      BIGINT NOT NULL,
    placed_by   TEXT   NOT NULL,
    lifted      BIGINT NOT NULL,
    lifted_by   TEXT   NOT NULL,
    lifted_why  TEXT   NOT NULL
);
CREATE INDEX hold_target ON hold (target, kind) WHERE lifted = 0;
