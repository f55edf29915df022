INSERT INTO access_person (id, name, email, email_key, password, cost, rights, suspended_at, created_at, password_at) VALUES
	('p_1', 'Änne Öz', 'Anne@Example.com', 'anne@example.com', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA', 'm=65536,t=3,p=4', 3, 0, 1772323200000000, 1772323200000000),
	('p_2', 'Bo', 'bo@example.com', 'bo@example.com', '', '', 1, 1772323300000000, 1772323200000001, 0);
INSERT INTO access_member (person, workspace, environment, role, created_at) VALUES
	('p_1', '@', '', 'owner', 1772323200000000), ('p_2', 'w_1', 'staging', 'viewer', 1772323200000002);
INSERT INTO access_session (id, person, hash, old_hash, old_until, rights, created_at, expires_at, seen_at, address, agent) VALUES
	('s_1', 'p_1', CAST('session hash' AS {{bytes}}), CAST('' AS {{bytes}}), 0, 3, 1772323200000000, 1772923200000000, 1772323200000000, '192.0.2.1', 'Browser/1');
INSERT INTO access_link (id, purpose, hash, person, email, workspace, environment, role, maker, maker_key, created_at, expires_at, used_at, revoked_at) VALUES
	('l_1', 'inv', CAST('link hash' AS {{bytes}}), '', 'cy@example.com', 'w_1', '', 'editor', 'p_1', '', 1772323200000000, 1772923200000000, 0, 0);
INSERT INTO access_key (id, name, workspace, environment, hint, role, permissions, holder, maker, maker_key, created_at, expires_at, revoked_at, seen_at, address) VALUES
	('k_1', 'CI', 'w_1', 'production', 'prod', '', 'release:deploy release:read', 'p_1', 'person p_1', '', 1772323200000000, 0, 0, 1772323210000000, '2001:db8::1');
INSERT INTO access_secret (id, key_id, hash, created_at, until_at) VALUES
	('a1', 'k_1', CAST('old secret' AS {{bytes}}), 1772323200000000, 1772324200000000), ('a2', 'k_1', CAST('secret' AS {{bytes}}), 1772323300000000, 0);
INSERT INTO access_throttle (name, failures, until_at, last_at) VALUES ('account bo@example.com', 4, 1772323208000000, 1772323200000000);
UPDATE access_generation SET n = 41;
