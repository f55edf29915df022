-- People, roles, sessions, links, API keys. Times are 0 where there is none. The
-- workspace '@' is the installation; an environment of '' is all of them.
CREATE TABLE access_person (
	id           TEXT PRIMARY KEY,
	name         TEXT NOT NULL,
	email        TEXT NOT NULL,        -- as it is shown and written to
	email_key    TEXT NOT NULL UNIQUE, -- by which no two people are the same
	password     TEXT NOT NULL,        -- PHC string of argon2id; or empty
	cost         TEXT NOT NULL,        -- of the password's hash: m=,t=,p=
	rights       BIGINT NOT NULL,      -- grows when what they may do, or how they sign in, changes
	suspended_at BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	password_at  BIGINT NOT NULL       -- when it was set
);
CREATE INDEX access_person_cost ON access_person (cost);

CREATE TABLE access_member (
	person      TEXT NOT NULL REFERENCES access_person (id),
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	role        TEXT NOT NULL,
	created_at  BIGINT NOT NULL,
	PRIMARY KEY (person, workspace, environment)
);
CREATE INDEX access_member_workspace ON access_member (workspace, role);

CREATE TABLE access_session (
	id         TEXT PRIMARY KEY,
	person     TEXT NOT NULL REFERENCES access_person (id),
	hash       {{bytes}} NOT NULL, -- SHA-256 of the token
	old_hash   {{bytes}} NOT NULL, -- of the token before it; or empty
	old_until  BIGINT NOT NULL,    -- until when that one is taken
	rights     BIGINT NOT NULL,    -- the person's, when the token was made
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	address    TEXT NOT NULL,      -- of the newest request
	agent      TEXT NOT NULL
);
CREATE INDEX access_session_person ON access_session (person);
CREATE INDEX access_session_expires ON access_session (expires_at);
CREATE INDEX access_session_seen ON access_session (seen_at);

CREATE TABLE access_link (
	id          TEXT PRIMARY KEY,
	purpose     TEXT NOT NULL,      -- own, inv, pwd, eml: as in the token
	hash        {{bytes}} NOT NULL, -- SHA-256 of the token
	person      TEXT NOT NULL,      -- whom it is for; empty: whoever has it, or nobody
	email       TEXT NOT NULL,
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	role        TEXT NOT NULL,
	maker       TEXT NOT NULL,      -- the person who made it; or empty
	maker_key   TEXT NOT NULL,      -- the key it was made with; or empty
	created_at  BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL,
	used_at     BIGINT NOT NULL,
	revoked_at  BIGINT NOT NULL
);
CREATE INDEX access_link_workspace ON access_link (workspace, created_at);
CREATE INDEX access_link_person ON access_link (person);
CREATE INDEX access_link_expires ON access_link (expires_at);

CREATE TABLE access_key (
	id          TEXT PRIMARY KEY,
	name        TEXT NOT NULL,
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	hint        TEXT NOT NULL,   -- what its tokens show of the environment
	role        TEXT NOT NULL,   -- or empty
	permissions TEXT NOT NULL,   -- or these, a space between
	holder      TEXT NOT NULL,   -- the person whose rights bound the key's; or empty
	maker       TEXT NOT NULL,   -- who made it: person, key, local or system, and its id or name
	maker_key   TEXT NOT NULL,   -- the key it was made with; or empty
	created_at  BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL,
	revoked_at  BIGINT NOT NULL,
	seen_at     BIGINT NOT NULL,
	address     TEXT NOT NULL
);
CREATE INDEX access_key_workspace ON access_key (workspace, created_at);
CREATE INDEX access_key_holder ON access_key (holder);
CREATE INDEX access_key_maker ON access_key (maker_key);

CREATE TABLE access_secret (
	id         TEXT PRIMARY KEY,   -- the public part of the token
	key_id     TEXT NOT NULL REFERENCES access_key (id),
	hash       {{bytes}} NOT NULL, -- SHA-256 of the token
	created_at BIGINT NOT NULL,
	until_at   BIGINT NOT NULL     -- until when it is taken; 0: as long as the key
);
CREATE INDEX access_secret_key ON access_secret (key_id);

-- Who guesses has to wait, also when the server was started again.
CREATE TABLE access_throttle (
	name     TEXT PRIMARY KEY, -- what is counted: an account, a network, or both
	failures BIGINT NOT NULL,
	until_at BIGINT NOT NULL,
	last_at  BIGINT NOT NULL
);
CREATE INDEX access_throttle_last ON access_throttle (last_at);

-- Grows with each change that other servers have to forget something for.
CREATE TABLE access_generation (
	one BIGINT PRIMARY KEY,
	n   BIGINT NOT NULL
);
INSERT INTO access_generation (one, n) VALUES (1, 0);
