INSERT INTO lease (name, holder, token, beat, ttl, renewed) VALUES
	('log', '', 9223372036854775807, 1, 6000000, 1772323200000000),
	('backup', '', 7, 1234, 60000000, 1772323200123456);
