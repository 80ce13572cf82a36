-- The keys that documents here are or were sealed with, so that a program without one of
-- them says so when it starts and not when somebody reads. id is the number of a key, or
-- "index:" and a fingerprint of the one that hides what people are searched by. No key is
-- here.
CREATE TABLE data_key (
    id TEXT   NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);
