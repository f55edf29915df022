-- Versions of projects: docs/format/tree.md and docs/decisions/0017.

-- The bytes of files, once for each workspace, by their SHA-256.
CREATE TABLE release_blob (
	workspace TEXT NOT NULL,
	hash      TEXT NOT NULL,
	size      BIGINT NOT NULL,
	used      BIGINT NOT NULL, -- when it was last put: what is new is not pruned
	data      {{bytes}} NOT NULL,
	PRIMARY KEY (workspace, hash)
);

-- The lists of files.
CREATE TABLE release_tree (
	workspace TEXT NOT NULL,
	hash      TEXT NOT NULL,
	files     BIGINT NOT NULL,
	size      BIGINT NOT NULL, -- of the files together
	used      BIGINT NOT NULL,
	manifest  {{bytes}} NOT NULL,
	PRIMARY KEY (workspace, hash)
);

-- Versions are never changed. One whose tree was pruned has no row in release_tree.
CREATE TABLE release_version (
	workspace   TEXT NOT NULL,
	number      BIGINT NOT NULL, -- from 1, without gaps
	tree        TEXT NOT NULL,
	files       BIGINT NOT NULL,
	size        BIGINT NOT NULL,
	parent      BIGINT NOT NULL, -- the version that it was made of; 0: none
	source      BIGINT NOT NULL, -- another one that it takes up: rolled back to, or merged; 0: none
	origin      TEXT NOT NULL,   -- deploy, page, folder, promote, rollback
	author_kind TEXT NOT NULL,
	author_id   TEXT NOT NULL,
	author_name TEXT NOT NULL,
	message     TEXT NOT NULL,
	created     BIGINT NOT NULL,
	PRIMARY KEY (workspace, number)
);
-- on sqlite:
CREATE TRIGGER release_version_update BEFORE UPDATE ON release_version BEGIN SELECT RAISE(ABORT, 'versions are never changed'); END;
-- on postgres:
CREATE FUNCTION release_refuse() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
	RAISE EXCEPTION ''versions are never changed'';
END';
-- on postgres:
CREATE TRIGGER release_version_update BEFORE UPDATE ON release_version FOR EACH ROW EXECUTE FUNCTION release_refuse();

-- What runs.
CREATE TABLE release_running (
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	version     BIGINT NOT NULL,
	previous    BIGINT NOT NULL, -- what ran before; 0: nothing
	deploy      TEXT NOT NULL,   -- that made it run
	since       BIGINT NOT NULL,
	PRIMARY KEY (workspace, environment)
);

-- What ran when.
CREATE TABLE release_run (
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	number      BIGINT NOT NULL, -- from 1, without gaps
	version     BIGINT NOT NULL,
	deploy      TEXT NOT NULL,
	began       BIGINT NOT NULL,
	ended       BIGINT NOT NULL, -- 0: it runs
	PRIMARY KEY (workspace, environment, number)
);

-- Deployments, those that failed too.
CREATE TABLE release_deploy (
	id          TEXT PRIMARY KEY,
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	number      BIGINT NOT NULL, -- of the environment, from 1, without gaps
	base        BIGINT NOT NULL, -- the version that ran
	version     BIGINT NOT NULL, -- 0: it has no number yet
	tree        TEXT NOT NULL,
	source      BIGINT NOT NULL,
	origin      TEXT NOT NULL,
	author_kind TEXT NOT NULL,
	author_id   TEXT NOT NULL,
	author_name TEXT NOT NULL,
	message     TEXT NOT NULL,
	state       TEXT NOT NULL,
	error       TEXT NOT NULL,
	holder      TEXT NOT NULL,   -- the server that does it
	begun       BIGINT NOT NULL,
	changed     BIGINT NOT NULL,
	ended       BIGINT NOT NULL  -- 0: it is under way
);
CREATE UNIQUE INDEX release_deploy_number ON release_deploy (workspace, environment, number);
-- One at a time.
CREATE UNIQUE INDEX release_deploy_open ON release_deploy (workspace, environment) WHERE ended = 0;

-- What a folder on disk said when it last became a version.
CREATE TABLE release_folder (
	workspace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	version     BIGINT NOT NULL,
	tree        TEXT NOT NULL,
	seen        BIGINT NOT NULL,
	PRIMARY KEY (workspace, environment)
);
