INSERT INTO workspace (id, name, title, state, reason, since, suspended, purge_after, main, quotas, created, version) VALUES
	('w_1', 'default', 'Default', 'active', '', 1772323200000000, 0, NULL, 'default', '{}', 1772323200000000, 1),
	('w_2', 'acme', 'Acme & Söhne', 'deleted', 'unpaid', 1772409600000000, 1, 1773014400000000, '1abc', '{"events_per_day":1000000,"members":5}', 1772323200000000, 5);
INSERT INTO workspace_name (name, looks, workspace, until) VALUES ('default', 'default', 'w_1', NULL), ('acme', 'acme', 'w_2', NULL), ('acme-1nc', 'acmelnc', 'w_2', 1780099200000000);
INSERT INTO environment (space, workspace, name, state, since, purge_after, problem, created) VALUES
	('default', 'w_1', 'production', 'active', 1772323200000000, NULL, '', 1772323200000000),
	('1abc', 'w_2', 'production', 'active', 1772323200000000, NULL, '', 1772323200000000),
	('1abd', 'w_2', 'staging', 'deleted', 1772409600000000, 1773014400000000, 'purging space 1abd: archive: the bucket is away', 1772323200000000);
INSERT INTO workspace_gone (id, version) VALUES ('w_0', 4), ('1aaa', 4);
UPDATE workspace_sequence SET version = 5 WHERE name = 'workspace';
INSERT INTO purge_step (space, name, done) VALUES ('1abd', 'key', 1772409600000000);
INSERT INTO usage_day (space, day, events, rejected, bytes, query_micros, storage) VALUES ('1abc', 20513, 12, 3, 4567, 1500000, 8901), ('default', 20513, 1, 0, 10, 0, -1);
INSERT INTO usage_reader (name, position) VALUES ('usage', '1772323200000-17-2147483647');
INSERT INTO usage_notice (workspace, day, quota, percent, told) VALUES ('w_2', 20513, 'events_per_day', 80, 1772409600000000);
