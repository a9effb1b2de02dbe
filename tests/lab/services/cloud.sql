-- A small database with the tables that matter of a cloud management server: names, references, dates, blobs.
DROP DATABASE IF EXISTS cloud;
CREATE DATABASE cloud CHARACTER SET utf8mb4;
USE cloud;

CREATE TABLE configuration (
  name VARCHAR(255) PRIMARY KEY, category VARCHAR(255) NOT NULL, value VARCHAR(4096), updated DATETIME NOT NULL
);
CREATE TABLE host (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL, uuid CHAR(36) NOT NULL UNIQUE,
  status VARCHAR(32) NOT NULL, private_ip_address CHAR(40), created DATETIME NOT NULL
);
CREATE TABLE vm_instance (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL, uuid CHAR(36) NOT NULL UNIQUE,
  state VARCHAR(32) NOT NULL, host_id BIGINT UNSIGNED, created DATETIME NOT NULL,
  FOREIGN KEY (host_id) REFERENCES host (id)
);
CREATE TABLE volumes (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, instance_id BIGINT UNSIGNED NOT NULL, size BIGINT UNSIGNED NOT NULL,
  chain_info BLOB, FOREIGN KEY (instance_id) REFERENCES vm_instance (id) ON DELETE CASCADE
);
CREATE TABLE event (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, type VARCHAR(32) NOT NULL, description VARCHAR(1024) NOT NULL,
  created DATETIME NOT NULL
);

INSERT INTO configuration VALUES
  ('host', 'Advanced', '198.18.10.21', '2026-01-01 00:00:00'),
  ('integration.api.port', 'Advanced', '8096', '2026-01-01 00:00:00'),
  ('설명', 'Advanced', 'text that is not ASCII, a ''quote'' and a \\ backslash', '2026-01-01 00:00:00');
INSERT INTO host (name, uuid, status, private_ip_address, created)
  SELECT CONCAT('cube', seq), UUID(), 'Up', CONCAT('198.18.10.', seq), '2026-01-01 00:00:00' FROM seq_1_to_3;
INSERT INTO vm_instance (name, uuid, state, host_id, created)
  SELECT CONCAT('i-2-', seq, '-VM'), UUID(), IF(seq % 4, 'Running', 'Stopped'), 1 + seq % 3, '2026-01-02 00:00:00'
  FROM seq_1_to_200;
INSERT INTO volumes (instance_id, size, chain_info)
  SELECT seq, seq * 1073741824, UNHEX(SHA2(seq, 512)) FROM seq_1_to_200;
INSERT INTO event (type, description, created)
  SELECT 'VM.START', REPEAT(CONCAT('event ', seq, ' '), 20), '2026-01-03 00:00:00' + INTERVAL seq MINUTE
  FROM seq_1_to_5000;
