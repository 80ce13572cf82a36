-- Whether a risk is one that the practice may read: the sharing level of a referral may keep
-- from it what the service found. Who is told is in the resources, so those with a risk are
-- read again when the program starts (see seen.go), with their needs.
ALTER TABLE referral ADD COLUMN risk_told BIGINT NOT NULL DEFAULT 0;
DELETE FROM need WHERE referral IN (SELECT id FROM referral WHERE risk = 1);
UPDATE referral SET seen = 0 WHERE risk = 1;
