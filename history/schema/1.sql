-- Format 1. Times are milliseconds, steps and starts seconds, since 1970 in UTC.

-- What is known of every series. kind: 0 gauge, 1 counter, 2 total.
CREATE TABLE series (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	kind   INTEGER NOT NULL,
	name   TEXT NOT NULL,
	labels TEXT NOT NULL, -- a JSON object
	seen   INTEGER NOT NULL, -- when it was last sampled, as of the last packing
	last   REAL NOT NULL, -- a total's value, as of the last packing
	UNIQUE (kind, name, labels)
);

-- The samples since the last packing, one row a round.
CREATE TABLE round (
	seq  INTEGER PRIMARY KEY AUTOINCREMENT,
	at   INTEGER NOT NULL,
	data BLOB NOT NULL
);

-- Packed points of one series: those of one step size within one span of time.
-- A table with rowids, because one without keeps less than a kilobyte of a row
-- in its pages and gives the rest a page of its own: twice the size.
CREATE TABLE chunk (
	step   INTEGER NOT NULL,
	start  INTEGER NOT NULL,
	series INTEGER NOT NULL,
	data   BLOB NOT NULL,
	UNIQUE (step, start, series)
);

-- The spans that have chunks. packed grows with every packing, whatever the clock says.
CREATE TABLE span (
	step   INTEGER NOT NULL,
	start  INTEGER NOT NULL,
	packed INTEGER NOT NULL,
	PRIMARY KEY (step, start)
) WITHOUT ROWID;

-- Series that had to leave, and whose chunks are still there.
CREATE TABLE gone (
	series INTEGER PRIMARY KEY
);

CREATE TABLE mark (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	at   INTEGER NOT NULL,
	kind TEXT NOT NULL,
	text TEXT NOT NULL
);
CREATE INDEX mark_at ON mark (at);
