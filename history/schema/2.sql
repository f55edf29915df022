-- Format 2. A mark may be of one workspace; '' is of all.
ALTER TABLE mark ADD COLUMN workspace TEXT NOT NULL DEFAULT '';
