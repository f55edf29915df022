-- Who did what: docs/format/audit.md. Rows of these tables are added and never
-- changed, which triggers see to; they are deleted only where a row of
-- audit_anchor or audit_erased says so, and an entry tells of each of those.

-- What is said, as it is hashed.
CREATE TABLE audit_entry (
	seq  BIGINT PRIMARY KEY,
	body TEXT NOT NULL -- JSON
);

-- The chain of the installation, and in it those of the workspaces.
CREATE TABLE audit_chain (
	seq                BIGINT PRIMARY KEY, -- from 1, without gaps
	previous           {{bytes}} NOT NULL, -- the hash of the entry before
	hash               {{bytes}} NOT NULL,
	workspace          TEXT NOT NULL,      -- empty for what concerns none
	number             BIGINT NOT NULL,    -- from 1 in the workspace's chain, without gaps; seq without a workspace
	workspace_previous {{bytes}},
	workspace_hash     {{bytes}}
);
CREATE UNIQUE INDEX audit_chain_workspace ON audit_chain (workspace, number);

-- Where the chains end. The empty workspace is the installation.
CREATE TABLE audit_head (
	workspace TEXT PRIMARY KEY,
	number    BIGINT NOT NULL,
	hash      {{bytes}} NOT NULL
);

-- Where the chains begin, after what was cut off by its age.
CREATE TABLE audit_anchor (
	workspace TEXT NOT NULL,
	number    BIGINT NOT NULL,    -- the last one that was cut off
	hash      {{bytes}} NOT NULL, -- its hash
	seq       BIGINT NOT NULL,    -- the entry that says so
	PRIMARY KEY (workspace, number)
);

-- Workspaces whose entries were erased with them.
CREATE TABLE audit_erased (
	workspace TEXT NOT NULL,
	number    BIGINT NOT NULL, -- the last one of its chain that was
	seq       BIGINT NOT NULL, -- the entry that says so
	PRIMARY KEY (workspace, number)
);

-- What is left of an erased entry.
CREATE TABLE audit_tombstone (
	seq    BIGINT PRIMARY KEY,
	digest {{bytes}} NOT NULL -- SHA-256 of its body
);

-- The index of searches: no text, and made anew when rows are missing.
CREATE TABLE audit_index (
	block   BIGINT PRIMARY KEY,
	entries {{bytes}} NOT NULL,
	words   {{bytes}} NOT NULL
);

-- SQLite: no row is changed, replaced or deleted, but for what was cut off or erased.
-- on sqlite:
CREATE TRIGGER audit_entry_update BEFORE UPDATE ON audit_entry BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_entry_delete BEFORE DELETE ON audit_entry
	WHEN OLD.seq > coalesce((SELECT max(number) FROM audit_anchor WHERE workspace = ''), 0)
		AND NOT EXISTS (SELECT 1 FROM audit_chain c JOIN audit_erased x ON x.workspace = c.workspace AND x.number >= c.number WHERE c.seq = OLD.seq)
	BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_entry_replace BEFORE INSERT ON audit_entry
	WHEN EXISTS (SELECT 1 FROM audit_entry WHERE seq = NEW.seq)
	BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_chain_update BEFORE UPDATE ON audit_chain BEGIN SELECT RAISE(ABORT, 'the chain of audit entries is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_chain_delete BEFORE DELETE ON audit_chain
	WHEN OLD.seq > coalesce((SELECT max(number) FROM audit_anchor WHERE workspace = ''), 0)
	BEGIN SELECT RAISE(ABORT, 'the chain of audit entries is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_chain_replace BEFORE INSERT ON audit_chain
	WHEN EXISTS (SELECT 1 FROM audit_chain WHERE seq = NEW.seq OR workspace = NEW.workspace AND number = NEW.number)
	BEGIN SELECT RAISE(ABORT, 'the chain of audit entries is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_anchor_update BEFORE UPDATE ON audit_anchor BEGIN SELECT RAISE(ABORT, 'where the audit log begins is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_anchor_delete BEFORE DELETE ON audit_anchor BEGIN SELECT RAISE(ABORT, 'where the audit log begins is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_anchor_replace BEFORE INSERT ON audit_anchor
	WHEN EXISTS (SELECT 1 FROM audit_anchor WHERE workspace = NEW.workspace AND number = NEW.number)
	BEGIN SELECT RAISE(ABORT, 'where the audit log begins is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_erased_update BEFORE UPDATE ON audit_erased BEGIN SELECT RAISE(ABORT, 'what was erased from the audit log is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_erased_delete BEFORE DELETE ON audit_erased BEGIN SELECT RAISE(ABORT, 'what was erased from the audit log is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_erased_replace BEFORE INSERT ON audit_erased
	WHEN EXISTS (SELECT 1 FROM audit_erased WHERE workspace = NEW.workspace AND number = NEW.number)
	BEGIN SELECT RAISE(ABORT, 'what was erased from the audit log is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_tombstone_update BEFORE UPDATE ON audit_tombstone BEGIN SELECT RAISE(ABORT, 'what is left of erased audit entries is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_tombstone_delete BEFORE DELETE ON audit_tombstone
	WHEN OLD.seq > coalesce((SELECT max(number) FROM audit_anchor WHERE workspace = ''), 0)
	BEGIN SELECT RAISE(ABORT, 'what is left of erased audit entries is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_tombstone_replace BEFORE INSERT ON audit_tombstone
	WHEN EXISTS (SELECT 1 FROM audit_tombstone WHERE seq = NEW.seq)
	BEGIN SELECT RAISE(ABORT, 'what is left of erased audit entries is never changed'); END;
-- on sqlite:
CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head BEGIN SELECT RAISE(ABORT, 'the end of an audit chain is never deleted'); END;
-- on sqlite:
CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head
	WHEN NEW.number < OLD.number OR NEW.workspace <> OLD.workspace
	BEGIN SELECT RAISE(ABORT, 'an audit chain does not become shorter'); END;

-- Postgres: the same, and no TRUNCATE.
-- on postgres:
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
	RAISE EXCEPTION ''rows of the audit log are never changed'';
END';
-- on postgres:
CREATE FUNCTION audit_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
	IF OLD.seq <= coalesce((SELECT max(number) FROM audit_anchor WHERE workspace = ''''), 0) THEN
		RETURN OLD;
	END IF;
	IF TG_TABLE_NAME = ''audit_entry'' AND EXISTS (SELECT 1 FROM audit_chain c JOIN audit_erased x ON x.workspace = c.workspace AND x.number >= c.number WHERE c.seq = OLD.seq) THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION ''rows of the audit log are never deleted, but for what was cut off or erased'';
END';
-- on postgres:
CREATE TRIGGER audit_entry_update BEFORE UPDATE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_entry_delete BEFORE DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete();
-- on postgres:
CREATE TRIGGER audit_entry_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_chain_update BEFORE UPDATE ON audit_chain FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_chain_delete BEFORE DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete();
-- on postgres:
CREATE TRIGGER audit_chain_truncate BEFORE TRUNCATE ON audit_chain FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_anchor_update BEFORE UPDATE ON audit_anchor FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_anchor_delete BEFORE DELETE ON audit_anchor FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_anchor_truncate BEFORE TRUNCATE ON audit_anchor FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_erased_update BEFORE UPDATE ON audit_erased FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_erased_delete BEFORE DELETE ON audit_erased FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_erased_truncate BEFORE TRUNCATE ON audit_erased FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_tombstone_update BEFORE UPDATE ON audit_tombstone FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_tombstone_delete BEFORE DELETE ON audit_tombstone FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete();
-- on postgres:
CREATE TRIGGER audit_tombstone_truncate BEFORE TRUNCATE ON audit_tombstone FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head FOR EACH ROW
	WHEN (NEW.number < OLD.number OR NEW.workspace <> OLD.workspace) EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_refuse();
-- on postgres:
CREATE TRIGGER audit_head_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
