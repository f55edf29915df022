INSERT INTO audit_entry (seq, body) VALUES (2, '{"action":"key.create","note":"ü"}'), (3, '{"action":"key.revoke"}');
INSERT INTO audit_chain (seq, previous, hash, workspace, number, workspace_previous, workspace_hash) VALUES
	(2, CAST('hash of 1' AS {{bytes}}), CAST('hash of 2' AS {{bytes}}), '', 2, NULL, NULL),
	(3, CAST('hash of 2' AS {{bytes}}), CAST('hash of 3' AS {{bytes}}), 'w_1', 1, CAST('' AS {{bytes}}), CAST('hash of w_1 1' AS {{bytes}}));
INSERT INTO audit_head (workspace, number, hash) VALUES ('', 3, CAST('hash of 3' AS {{bytes}})), ('w_1', 1, CAST('hash of w_1 1' AS {{bytes}}));
INSERT INTO audit_anchor (workspace, number, hash, seq) VALUES ('', 1, CAST('hash of 1' AS {{bytes}}), 2);
INSERT INTO audit_erased (workspace, number, seq) VALUES ('w_0', 5, 3);
INSERT INTO audit_tombstone (seq, digest) VALUES (1, CAST('digest of 1' AS {{bytes}}));
INSERT INTO audit_index (block, entries, words) VALUES (0, CAST('2 3' AS {{bytes}}), CAST('key' AS {{bytes}}));
