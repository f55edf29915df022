INSERT INTO server_fact (name, value) VALUES ('data_folder', 'd_4fj2kq9slm0a');
