-- Secrets and the keys that encrypt them: docs/format/secrets.md. Nothing here can
-- be read without a master key, which is not in the catalog.

-- Data keys, wrapped by a master key. Rows stay when a key is destroyed, so that
-- its number is not given again.
CREATE TABLE secret_key (
	purpose TEXT NOT NULL,      -- secret or data
	owner   TEXT NOT NULL,      -- the workspace of secrets, the space of data
	number  BIGINT NOT NULL,    -- from 1
	master  TEXT NOT NULL,      -- the id of the master key
	wrapped {{bytes}} NOT NULL, -- empty when it was destroyed
	state   TEXT NOT NULL,      -- current, retired or destroyed
	made    BIGINT NOT NULL,
	PRIMARY KEY (purpose, owner, number)
);
CREATE INDEX secret_key_master ON secret_key (master);

CREATE TABLE secret (
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,   -- empty for all of the workspace
	path        TEXT NOT NULL,
	version     BIGINT NOT NULL, -- the current one
	versions    BIGINT NOT NULL, -- the last that was made
	resources   TEXT NOT NULL,   -- JSON: patterns of who may use it
	hosts       TEXT NOT NULL,   -- JSON: patterns of the hosts it may be sent to
	note        TEXT NOT NULL,
	made        BIGINT NOT NULL,
	changed     BIGINT NOT NULL,
	deleted     BIGINT,          -- since when it can only be restored
	PRIMARY KEY (workspace, environment, path)
);

CREATE TABLE secret_version (
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	path        TEXT NOT NULL,
	version     BIGINT NOT NULL,
	data_key    BIGINT NOT NULL, -- the number of the workspace's key
	sealed      {{bytes}},       -- NULL when it was destroyed
	made        BIGINT NOT NULL,
	actor       TEXT NOT NULL,   -- JSON: who made it
	PRIMARY KEY (workspace, environment, path, version)
);
CREATE INDEX secret_version_key ON secret_version (workspace, data_key);

-- Who has used which secret, for the audit log: the first use is told at once,
-- the others are counted.
CREATE TABLE secret_use (
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,   -- in which it was used
	path        TEXT NOT NULL,
	resource    TEXT NOT NULL,
	host        TEXT NOT NULL,
	uses        BIGINT NOT NULL,
	began       BIGINT NOT NULL,
	latest      BIGINT NOT NULL,
	PRIMARY KEY (workspace, environment, path, resource, host)
);
