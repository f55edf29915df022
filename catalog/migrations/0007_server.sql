-- What a server has to know again of itself.
CREATE TABLE server_fact (
	name  TEXT PRIMARY KEY, -- data_folder: the id of the data folder that the catalog belongs to
	value TEXT NOT NULL
);
