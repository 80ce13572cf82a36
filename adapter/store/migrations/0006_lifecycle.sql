-- Times beside due that move nothing, or end a referral that nobody answered: remind is
-- when a timer looks at it next, 0 for never.
ALTER TABLE referral ADD COLUMN remind BIGINT NOT NULL DEFAULT 0;
CREATE INDEX referral_remind ON referral (remind) WHERE open = 1 AND remind > 0;
