-- What a space stored on a day, the last that was measured: in bytes, by where it
-- is, of which usage_day.storage is the sum, and its tables of events. -1: it was not.
ALTER TABLE usage_day ADD COLUMN log_bytes BIGINT NOT NULL DEFAULT -1;
ALTER TABLE usage_day ADD COLUMN archive_bytes BIGINT NOT NULL DEFAULT -1;
ALTER TABLE usage_day ADD COLUMN warehouse_bytes BIGINT NOT NULL DEFAULT -1;
ALTER TABLE usage_day ADD COLUMN event_tables BIGINT NOT NULL DEFAULT -1;
-- It was the warehouse alone that was measured.
UPDATE usage_day SET warehouse_bytes = storage;
