-- Workspaces, their environments, and what they use.
CREATE TABLE workspace (
	id          TEXT PRIMARY KEY,
	name        TEXT NOT NULL,   -- the one that it has now
	title       TEXT NOT NULL,
	state       TEXT NOT NULL,   -- active, suspended, deleted, purging
	reason      TEXT NOT NULL,   -- why it is suspended, for people
	since       BIGINT NOT NULL, -- of state
	suspended   BIGINT NOT NULL, -- 1: it was when it was deleted
	purge_after BIGINT,
	main        TEXT NOT NULL,   -- the space of its default environment
	quotas      TEXT NOT NULL,   -- JSON
	created     BIGINT NOT NULL,
	version     BIGINT NOT NULL  -- of workspace_sequence, at its last change
);
CREATE UNIQUE INDEX workspace_by_name ON workspace (name);
CREATE INDEX workspace_by_version ON workspace (version);

-- Every name that means a workspace: the one it has, and those that it had.
CREATE TABLE workspace_name (
	name      TEXT PRIMARY KEY,
	looks     TEXT NOT NULL, -- the same for names that look alike
	workspace TEXT NOT NULL,
	until     BIGINT         -- when an old name is free again; NULL: the one it has
);
CREATE INDEX workspace_name_looks ON workspace_name (looks);
CREATE INDEX workspace_name_of ON workspace_name (workspace);

CREATE TABLE environment (
	space       TEXT PRIMARY KEY, -- the id that records carry
	workspace   TEXT NOT NULL,
	name        TEXT NOT NULL,
	state       TEXT NOT NULL,    -- active, deleted, purging; of its own, beside the workspace's
	since       BIGINT NOT NULL,
	purge_after BIGINT,
	problem     TEXT NOT NULL,    -- what stops its purge, for people
	created     BIGINT NOT NULL
);
CREATE UNIQUE INDEX environment_by_name ON environment (workspace, name);

-- Ids of workspaces and spaces that were purged: they are never used again.
CREATE TABLE workspace_gone (
	id      TEXT PRIMARY KEY,
	version BIGINT NOT NULL
);
CREATE INDEX workspace_gone_by_version ON workspace_gone (version);

-- Grows with every change of the tables above, so that other servers see it.
CREATE TABLE workspace_sequence (
	name    TEXT PRIMARY KEY,
	version BIGINT NOT NULL
);
INSERT INTO workspace_sequence (name, version) VALUES ('workspace', 0);

-- What of a purge is done.
CREATE TABLE purge_step (
	space TEXT NOT NULL,
	name  TEXT NOT NULL,
	done  BIGINT NOT NULL,
	PRIMARY KEY (space, name)
);

-- What a space used on a day, which begins at 0:00 UTC.
CREATE TABLE usage_day (
	space        TEXT NOT NULL,
	day          BIGINT NOT NULL, -- since 1970
	events       BIGINT NOT NULL, -- acknowledged, duplicates among them
	rejected     BIGINT NOT NULL, -- refused and kept
	bytes        BIGINT NOT NULL, -- of the bodies of both
	query_micros BIGINT NOT NULL,
	storage      BIGINT NOT NULL, -- bytes, the last that were measured; -1: none were
	PRIMARY KEY (space, day)
);
CREATE INDEX usage_day_by_day ON usage_day (day, space);

-- To where the log is counted: changed in the transaction of the counts.
CREATE TABLE usage_reader (
	name     TEXT PRIMARY KEY,
	position TEXT NOT NULL
);

-- Quotas of a day that were used to so many percent.
CREATE TABLE usage_notice (
	workspace TEXT NOT NULL,
	day       BIGINT NOT NULL,
	quota     TEXT NOT NULL,
	percent   BIGINT NOT NULL,
	told      BIGINT NOT NULL,
	PRIMARY KEY (workspace, day, quota, percent)
);
