-- What the worklist is filtered and sorted by. Spelling as in 0001_schema.sql.
--
-- priority is that of the request; risk is 1 when the referral, or what joined it, holds a
-- risk; registered is the ODS code of the practice where the person is registered, "" when
-- that is the requester; deadline is when the time for the state is or was over, so that it
-- stays while a referral is overdue, and far away for never. seen is 0 until the program has
-- read priority, risk, registered and needs in the content: it does so when it starts (see
-- seen.go), since they are in JSON.
ALTER TABLE referral ADD COLUMN priority TEXT NOT NULL DEFAULT '';
ALTER TABLE referral ADD COLUMN risk BIGINT NOT NULL DEFAULT 0;
ALTER TABLE referral ADD COLUMN registered TEXT NOT NULL DEFAULT '';
ALTER TABLE referral ADD COLUMN deadline BIGINT NOT NULL DEFAULT 9000000000000000000;
ALTER TABLE referral ADD COLUMN seen BIGINT NOT NULL DEFAULT 0;
-- When an overdue referral was due is not known any more: not before it last moved.
UPDATE referral SET deadline = CASE WHEN due > 0 THEN due ELSE since END WHERE open = 1 AND (due > 0 OR overdue = 1);

-- The needs of a referral, each code of our code system once. created is that of the
-- referral, so that those with a need are read in the order of the worklist.
CREATE TABLE need (
    code         TEXT   NOT NULL,
    created      BIGINT NOT NULL,
    referral     TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    PRIMARY KEY (code, created, referral)
);

-- Who has a referral on its list: the owner, or whoever works the pool it waits in. No
-- organisation has a name that begins with a slash. And where it is: 0 closed, 1 open,
-- 2 overdue. The statements spell both like this (see holder and stage in worklist.go).
-- Three orders of lists, each for the holder, the practice and the operator. Behind the
-- time that it is sorted by come the other times, so that a range of them is looked for, or
-- sorted by another, without a look at each row.
CREATE INDEX worklist_holder_created ON referral ((CASE WHEN owner <> '' THEN owner ELSE '/' || pool END), (open * (1 + overdue)), created, id, updated, deadline);
CREATE INDEX worklist_holder_due ON referral ((CASE WHEN owner <> '' THEN owner ELSE '/' || pool END), (open * (1 + overdue)), deadline, id, created, updated);
CREATE INDEX worklist_holder_updated ON referral ((CASE WHEN owner <> '' THEN owner ELSE '/' || pool END), (open * (1 + overdue)), updated, id, created, deadline);
CREATE INDEX worklist_practice_created ON referral (organisation, (open * (1 + overdue)), created, id, updated, deadline);
CREATE INDEX worklist_practice_due ON referral (organisation, (open * (1 + overdue)), deadline, id, created, updated);
CREATE INDEX worklist_practice_updated ON referral (organisation, (open * (1 + overdue)), updated, id, created, deadline);
CREATE INDEX worklist_created ON referral ((open * (1 + overdue)), created, id, updated, deadline);
CREATE INDEX worklist_due ON referral ((open * (1 + overdue)), deadline, id, created, updated);
CREATE INDEX worklist_updated ON referral ((open * (1 + overdue)), updated, id, created, deadline);

-- States come and go with time: whoever is new was created last. So these are in order too.
CREATE INDEX worklist_status_created ON referral (status, created, id);
CREATE INDEX worklist_status_due ON referral (status, deadline, id);
CREATE INDEX worklist_status_updated ON referral (status, updated, id);
CREATE INDEX worklist_business_created ON referral (business_status, created, id);
CREATE INDEX worklist_business_due ON referral (business_status, deadline, id);
CREATE INDEX worklist_business_updated ON referral (business_status, updated, id);

-- What nobody has claimed, which is what is new.
CREATE INDEX worklist_unclaimed_created ON referral ((open * (1 + overdue)), created, id) WHERE owner = '';
CREATE INDEX worklist_unclaimed_due ON referral ((open * (1 + overdue)), deadline, id) WHERE owner = '';
CREATE INDEX worklist_unclaimed_updated ON referral ((open * (1 + overdue)), updated, id) WHERE owner = '';

-- What few referrals have.
CREATE INDEX worklist_priority ON referral (priority, created, id) WHERE priority <> 'routine' AND priority <> '';
CREATE INDEX worklist_risk ON referral (created, id) WHERE risk = 1;
CREATE INDEX worklist_asked ON referral (created, id) WHERE former <> '';
CREATE INDEX worklist_registered ON referral (registered, created, id) WHERE registered <> '';
CREATE INDEX worklist_seen ON referral (id) WHERE seen = 0;

-- The outbox is listed by its ids: what still has to go is found without walking over what
-- went long ago.
CREATE INDEX delivery_open ON delivery (state, id) WHERE open = 1;

DROP INDEX referral_created;
DROP INDEX referral_open;
DROP INDEX referral_owner;
DROP INDEX referral_organisation;
