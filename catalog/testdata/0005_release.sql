INSERT INTO release_blob (workspace, hash, size, used, data) VALUES
	('w_1', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 3, 1772323200000000, CAST('abc' AS {{bytes}})),
	('w_1', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0, 1772323200000000, CAST('' AS {{bytes}}));
INSERT INTO release_tree (workspace, hash, files, size, used, manifest) VALUES ('w_1', 'tree', 2, 3, 1772323200000000, CAST('manifest' AS {{bytes}}));
INSERT INTO release_version (workspace, number, tree, files, size, parent, source, origin, author_kind, author_id, author_name, message, created) VALUES
	('w_1', 1, 'pruned', 2, 3, 0, 0, 'folder', 'local', '', 'local', '', 1772323200000000),
	('w_1', 2, 'tree', 2, 3, 1, 0, 'deploy', 'person', 'p_1', 'Änne Öz', 'first', 1772323300000000);
INSERT INTO release_running (workspace, environment, version, previous, deploy, since) VALUES ('w_1', 'production', 2, 1, 'd_2', 1772323300000000);
INSERT INTO release_run (workspace, environment, number, version, deploy, began, ended) VALUES
	('w_1', 'production', 1, 1, 'd_1', 1772323200000000, 1772323300000000), ('w_1', 'production', 2, 2, 'd_2', 1772323300000000, 0);
INSERT INTO release_deploy (id, workspace, environment, number, base, version, tree, source, origin, author_kind, author_id, author_name, message, state, error, holder, begun, changed, ended) VALUES
	('d_1', 'w_1', 'production', 1, 0, 1, 'pruned', 0, 'folder', 'local', '', 'local', '', 'healthy', '', 'server', 1772323200000000, 1772323200000001, 1772323200000001),
	('d_3', 'w_1', 'production', 2, 2, 0, 'tree', 1, 'rollback', 'person', 'p_1', 'Änne Öz', 'back', 'rolled_back', 'unhealthy', 'server', 1772323400000000, 1772323400000001, 1772323400000001);
INSERT INTO release_folder (workspace, environment, version, tree, seen) VALUES ('w_1', 'production', 1, 'pruned', 1772323200000000);
