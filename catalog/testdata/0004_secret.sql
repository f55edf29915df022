INSERT INTO secret_key (purpose, owner, number, master, wrapped, state, made) VALUES
	('secret', 'w_1', 1, 'm1', CAST('' AS {{bytes}}), 'destroyed', 1772323200000000), ('secret', 'w_1', 2, 'm2', CAST('wrapped' AS {{bytes}}), 'current', 1772323300000000);
INSERT INTO secret (workspace, environment, path, version, versions, resources, hosts, note, made, changed, deleted) VALUES
	('w_1', '', 'stripe/live_key', 2, 2, '["destinations/*"]', '["api.stripe.com"]', 'of the shop', 1772323200000000, 1772323300000000, NULL),
	('w_1', 'staging', 'stripe/live_key', 1, 1, '[]', '[]', '', 1772323200000000, 1772323200000000, 1772323400000000);
INSERT INTO secret_version (workspace, environment, path, version, data_key, sealed, made, actor) VALUES
	('w_1', '', 'stripe/live_key', 1, 1, NULL, 1772323200000000, '{"kind":"person","id":"p_1"}'),
	('w_1', '', 'stripe/live_key', 2, 2, CAST('sealed' AS {{bytes}}), 1772323300000000, '{"kind":"person","id":"p_1"}');
INSERT INTO secret_use (workspace, environment, path, resource, host, uses, began, latest) VALUES
	('w_1', 'production', 'stripe/live_key', 'destinations/stripe', 'api.stripe.com', 17, 1772323300000000, 1772323500000000);
