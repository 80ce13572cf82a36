-- The whole life cycle: cancellations that are asked for, times that run out, sub-Tasks,
-- and Tasks that take the place of others. former is the business status before a
-- cancellation was asked for; since is when the referral last moved; due is when the time
-- for its state is over, 0 for never; overdue is 1 when that was so and nobody has acted
-- since; root is the first Task on the same request, "" for that one itself; unfiled says
-- why its outcome cannot go to a record.
ALTER TABLE referral ADD COLUMN former TEXT NOT NULL DEFAULT '';
ALTER TABLE referral ADD COLUMN follows TEXT NOT NULL DEFAULT '';
ALTER TABLE referral ADD COLUMN root TEXT NOT NULL DEFAULT '';
ALTER TABLE referral ADD COLUMN unfiled TEXT NOT NULL DEFAULT '';
ALTER TABLE referral ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE referral ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
ALTER TABLE referral ADD COLUMN overdue BIGINT NOT NULL DEFAULT 0;
UPDATE referral SET since = updated;
-- What was open before there were times gets two weeks from its last move, and on hold four.
UPDATE referral SET due = updated + CASE WHEN status = 'on-hold' THEN 2419200000 ELSE 1209600000 END WHERE open = 1;
CREATE INDEX referral_due ON referral (due) WHERE open = 1 AND due > 0;
CREATE INDEX referral_root ON referral (root) WHERE root <> '';
CREATE INDEX referral_unfiled ON referral (id) WHERE unfiled <> '';

-- A move of a sub-Task is an event of its referral.
ALTER TABLE event ADD COLUMN activity TEXT NOT NULL DEFAULT '';

-- Sub-Tasks: activities at providers. owner is "" for one that the service speaks for.
CREATE TABLE activity (
    id              TEXT   NOT NULL PRIMARY KEY,
    referral        TEXT   NOT NULL,
    organisation    TEXT   NOT NULL,
    owner           TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    version         BIGINT NOT NULL,
    status          TEXT   NOT NULL,
    open            BIGINT NOT NULL,
    business_status TEXT   NOT NULL,
    sessions        BIGINT NOT NULL,
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL
);
CREATE INDEX activity_referral ON activity (referral, created, id);
CREATE INDEX activity_owner ON activity (owner, open, created, id);
