-- Who holds what, so that one server at a time does it. Nothing here depends on
-- the clocks of two hosts: whoever waits watches beat for as long as ttl lasts.
CREATE TABLE lease (
	name    TEXT PRIMARY KEY,
	holder  TEXT NOT NULL,   -- empty when it is free
	token   BIGINT NOT NULL, -- grows with each holder
	beat    BIGINT NOT NULL, -- grows with each renewal
	ttl     BIGINT NOT NULL, -- microseconds that a renewal lasts
	renewed BIGINT NOT NULL  -- by the holder's clock, for people
);
