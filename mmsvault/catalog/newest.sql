CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)

CREATE TABLE attempts (
	message_id VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	duration_ms BIGINT NOT NULL, 
	outcome VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	status INTEGER, 
	headers JSON NOT NULL, 
	CONSTRAINT pk_attempts PRIMARY KEY (message_id, number), 
	CONSTRAINT fk_attempts_message_id FOREIGN KEY(message_id) REFERENCES messages (id) ON DELETE CASCADE
)

CREATE TABLE count_changes (
	id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	"key" TEXT NOT NULL, 
	step INTEGER NOT NULL, 
	CONSTRAINT pk_count_changes PRIMARY KEY (id)
)

CREATE TABLE counters (
	slot INTEGER NOT NULL, 
	messages_pending BIGINT DEFAULT '0' NOT NULL, 
	messages_archived BIGINT DEFAULT '0' NOT NULL, 
	messages_partial BIGINT DEFAULT '0' NOT NULL, 
	messages_lost BIGINT DEFAULT '0' NOT NULL, 
	media_pending BIGINT DEFAULT '0' NOT NULL, 
	media_stored BIGINT DEFAULT '0' NOT NULL, 
	media_lost BIGINT DEFAULT '0' NOT NULL, 
	receipts_message BIGINT DEFAULT '0' NOT NULL, 
	receipts_duplicate BIGINT DEFAULT '0' NOT NULL, 
	receipts_other BIGINT DEFAULT '0' NOT NULL, 
	receipts_quarantined BIGINT DEFAULT '0' NOT NULL, 
	bytes BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_counters PRIMARY KEY (slot)
)

CREATE TABLE counts (
	kind VARCHAR NOT NULL, 
	"key" TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	CONSTRAINT pk_counts PRIMARY KEY (kind, "key")
)

CREATE TABLE exports (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	choice JSON NOT NULL, 
	"plan" JSON, 
	volumes JSON NOT NULL, 
	made_by TEXT NOT NULL, 
	made_at DATETIME NOT NULL, 
	began_at DATETIME, 
	ended_at DATETIME, 
	messages BIGINT NOT NULL, 
	bytes BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	worker VARCHAR, 
	beat_at DATETIME NOT NULL, sealed TEXT, recheck BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_exports PRIMARY KEY (id)
)

CREATE TABLE failures (
	"key" TEXT NOT NULL, 
	count INTEGER NOT NULL, 
	last_at DATETIME NOT NULL, 
	CONSTRAINT pk_failures PRIMARY KEY ("key")
)

CREATE TABLE key_values (
	name VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_key_values PRIMARY KEY (name)
)

CREATE TABLE keywords (
	"key" TEXT NOT NULL, 
	name TEXT NOT NULL, 
	messages BIGINT NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, 
	CONSTRAINT pk_keywords PRIMARY KEY ("key")
)

CREATE TABLE "media" (
	message_id VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	url TEXT NOT NULL, 
	state VARCHAR NOT NULL, 
	content_type TEXT NOT NULL, 
	declared_type TEXT NOT NULL, 
	size BIGINT, 
	sha256 VARCHAR NOT NULL, 
	"key" TEXT NOT NULL, 
	thumbnail_key TEXT NOT NULL, 
	preview_key TEXT NOT NULL, 
	width INTEGER, 
	height INTEGER, 
	duration_ms BIGINT, 
	text TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_attempt_at DATETIME, 
	codecs JSON DEFAULT '[]' NOT NULL, 
	frame_count INTEGER, 
	captured VARCHAR DEFAULT '' NOT NULL, 
	has_location BOOLEAN DEFAULT 0 NOT NULL, 
	perceptual_hash VARCHAR DEFAULT '' NOT NULL, 
	preview_due_at DATETIME, doubt TEXT DEFAULT '' NOT NULL, evidence JSON DEFAULT '[]' NOT NULL, earlier JSON DEFAULT '[]' NOT NULL, thumbnail_sha256 VARCHAR DEFAULT '' NOT NULL, thumbnail_size BIGINT, preview_sha256 VARCHAR DEFAULT '' NOT NULL, preview_size BIGINT, 
	CONSTRAINT pk_media PRIMARY KEY (message_id, position), 
	CONSTRAINT fk_media_message_id FOREIGN KEY(message_id) REFERENCES messages (id) ON DELETE CASCADE
)

CREATE VIRTUAL TABLE message_words USING fts5(words, columnsize = 0, tokenize = "ascii tokenchars '=*<>~|_'")

CREATE TABLE messages (
	id VARCHAR NOT NULL, 
	provider VARCHAR NOT NULL, 
	tracking_id TEXT NOT NULL, 
	sender TEXT NOT NULL, 
	sender_number TEXT NOT NULL, 
	keyword TEXT NOT NULL, 
	keyword_folded TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	operator_id TEXT NOT NULL, 
	received_at DATETIME NOT NULL, 
	deadline_at DATETIME NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	prefix TEXT NOT NULL, 
	state VARCHAR NOT NULL, 
	tags JSON NOT NULL, 
	hold BOOLEAN NOT NULL, 
	due_at DATETIME, 
	lease_token VARCHAR, 
	lease_until_at DATETIME, place BIGINT DEFAULT '0' NOT NULL, note TEXT DEFAULT '' NOT NULL, repaired JSON DEFAULT '[]' NOT NULL, 
	CONSTRAINT pk_messages PRIMARY KEY (id)
)

CREATE TABLE postbacks (
	message_id VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	received_at DATETIME NOT NULL, 
	source TEXT NOT NULL, 
	headers JSON NOT NULL, corrects TEXT DEFAULT '' NOT NULL, corrected_by TEXT DEFAULT '' NOT NULL, corrected_at DATETIME, 
	CONSTRAINT pk_postbacks PRIMARY KEY (message_id, number), 
	CONSTRAINT fk_postbacks_message_id FOREIGN KEY(message_id) REFERENCES messages (id) ON DELETE CASCADE
)

CREATE TABLE quarantine (
	folder VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	source TEXT NOT NULL, 
	received_at DATETIME NOT NULL, 
	kept_at DATETIME NOT NULL, 
	times INTEGER NOT NULL, 
	understood_as VARCHAR NOT NULL, 
	CONSTRAINT pk_quarantine PRIMARY KEY (folder)
)

CREATE TABLE receipts (
	id VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	message_id VARCHAR, 
	code VARCHAR NOT NULL, 
	received_at DATETIME NOT NULL, 
	CONSTRAINT pk_receipts PRIMARY KEY (id)
)

CREATE TABLE recipients (
	message_id VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	recipient TEXT NOT NULL, 
	recipient_number TEXT NOT NULL, 
	CONSTRAINT pk_recipients PRIMARY KEY (message_id, position), 
	CONSTRAINT fk_recipients_message_id FOREIGN KEY(message_id) REFERENCES messages (id) ON DELETE CASCADE
)

CREATE TABLE recovery_codes (
	name VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	CONSTRAINT pk_recovery_codes PRIMARY KEY (name, digest), 
	CONSTRAINT fk_recovery_codes_name FOREIGN KEY(name) REFERENCES users (name) ON DELETE CASCADE
)

CREATE TABLE scheduled_exports (
	id VARCHAR NOT NULL, 
	schedule VARCHAR NOT NULL, 
	ended_at DATETIME NOT NULL, 
	has_taken BOOLEAN NOT NULL, 
	CONSTRAINT pk_scheduled_exports PRIMARY KEY (id)
)

CREATE TABLE scheduled_messages (
	schedule VARCHAR NOT NULL, 
	message_id VARCHAR NOT NULL, 
	export_id VARCHAR NOT NULL, 
	CONSTRAINT pk_scheduled_messages PRIMARY KEY (schedule, message_id)
)

CREATE TABLE searches (
	name TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	saved_at DATETIME NOT NULL, saved_by TEXT DEFAULT '' NOT NULL, scope TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_searches PRIMARY KEY (name)
)

CREATE TABLE selections (
	id VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	messages JSON NOT NULL, 
	made_at DATETIME NOT NULL, 
	ends_at DATETIME NOT NULL, 
	CONSTRAINT pk_selections PRIMARY KEY (id)
)

CREATE TABLE sender_names (
	number TEXT NOT NULL, 
	name TEXT NOT NULL, 
	words TEXT NOT NULL, 
	named_at DATETIME NOT NULL, 
	CONSTRAINT pk_sender_names PRIMARY KEY (number)
)

CREATE TABLE senders (
	"key" TEXT NOT NULL, 
	name TEXT NOT NULL, 
	messages BIGINT NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, 
	CONSTRAINT pk_senders PRIMARY KEY ("key")
)

CREATE TABLE serials (
	name VARCHAR NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_serials PRIMARY KEY (name)
)

CREATE TABLE sessions (
	digest VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	ends_at DATETIME NOT NULL, began_at DATETIME DEFAULT '1970-01-01 00:00:00' NOT NULL, seen_at DATETIME DEFAULT '1970-01-01 00:00:00' NOT NULL, source TEXT DEFAULT '' NOT NULL, browser TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (digest), 
	CONSTRAINT fk_sessions_name FOREIGN KEY(name) REFERENCES users (name) ON DELETE CASCADE
)

CREATE TABLE source_hours (
	provider VARCHAR NOT NULL, 
	recipient TEXT NOT NULL, 
	hour BIGINT NOT NULL, 
	messages BIGINT NOT NULL, 
	CONSTRAINT pk_source_hours PRIMARY KEY (provider, recipient, hour)
)

CREATE TABLE tombstones (
	id VARCHAR NOT NULL, 
	deleted_at DATETIME NOT NULL, 
	CONSTRAINT pk_tombstones PRIMARY KEY (id)
)

CREATE TABLE "trail" (
	number BIGINT NOT NULL, 
	at DATETIME NOT NULL, 
	who TEXT NOT NULL, 
	source TEXT NOT NULL, 
	action VARCHAR NOT NULL, 
	subject TEXT NOT NULL, 
	details TEXT NOT NULL, 
	previous VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL, 
	kept BOOLEAN NOT NULL, messages TEXT DEFAULT '[]' NOT NULL, numbers TEXT DEFAULT '[]' NOT NULL, 
	CONSTRAINT pk_trail PRIMARY KEY (number, hash)
)

CREATE TABLE trail_about (
	about TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	hash VARCHAR NOT NULL, 
	CONSTRAINT pk_trail_about PRIMARY KEY (about, number, hash)
)

CREATE TABLE used_once (
	digest VARCHAR NOT NULL, 
	ends_at DATETIME NOT NULL, 
	CONSTRAINT pk_used_once PRIMARY KEY (digest)
)

CREATE TABLE users (
	name VARCHAR NOT NULL, 
	password_hash TEXT NOT NULL, 
	role VARCHAR NOT NULL, 
	scope TEXT NOT NULL, 
	is_one_time BOOLEAN NOT NULL, 
	made_at DATETIME NOT NULL, second_factor TEXT DEFAULT '' NOT NULL, second_factor_step BIGINT DEFAULT '0' NOT NULL, changed_at DATETIME, 
	CONSTRAINT pk_users PRIMARY KEY (name)
)

CREATE TABLE verdicts (
	extent VARCHAR NOT NULL, 
	began_at DATETIME NOT NULL, 
	ended_at DATETIME NOT NULL, 
	checked BIGINT NOT NULL, 
	problems BIGINT NOT NULL, 
	first JSON NOT NULL, 
	CONSTRAINT pk_verdicts PRIMARY KEY (extent)
)

CREATE INDEX ix_counts_empty ON counts (kind, "key") WHERE number = 0

CREATE INDEX ix_exports_made_at ON exports (made_at)

CREATE INDEX ix_exports_made_by_made_at ON exports (made_by, made_at)

CREATE INDEX ix_exports_unfinished_beat_at ON exports (beat_at) WHERE state IN ('waiting', 'running', 'ending')

CREATE INDEX ix_failures_last_at ON failures (last_at)

CREATE INDEX ix_keywords_first_at_key ON keywords (first_at, "key")

CREATE INDEX ix_keywords_last_at_key ON keywords (last_at, "key")

CREATE INDEX ix_keywords_messages_key ON keywords (messages, "key")

CREATE INDEX ix_media_preview_due_at ON media (preview_due_at)

CREATE INDEX ix_media_refused_state_message_id ON media (state, message_id) WHERE state = 'pending' AND substr(reason, 1, 9) = 'Refused: '

CREATE INDEX ix_messages_due_at_deadline_at_place ON messages (due_at, deadline_at, place) WHERE due_at IS NOT NULL

CREATE INDEX ix_messages_keyword_folded_hold_recorded_at ON messages (keyword_folded, hold, recorded_at)

CREATE INDEX ix_messages_keyword_folded_place ON messages (keyword_folded, place)

CREATE INDEX ix_messages_pending_deadline_at ON messages (deadline_at) WHERE state = 'pending'

CREATE INDEX ix_messages_pending_recorded_at ON messages (recorded_at) WHERE state = 'pending'

CREATE UNIQUE INDEX ix_messages_place ON messages (place)

CREATE INDEX ix_messages_recorded_at ON messages (recorded_at)

CREATE INDEX ix_messages_sender_number_place ON messages (sender_number, place)

CREATE INDEX ix_quarantine_understood_as_kept_at ON quarantine (understood_as, kept_at)

CREATE INDEX ix_receipts_message_id ON receipts (message_id)

CREATE INDEX ix_receipts_received_at ON receipts (received_at)

CREATE INDEX ix_recipients_recipient_number ON recipients (recipient_number)

CREATE INDEX ix_scheduled_exports_schedule_ended_at ON scheduled_exports (schedule, ended_at)

CREATE INDEX ix_scheduled_messages_export_id_message_id ON scheduled_messages (export_id, message_id)

CREATE INDEX ix_selections_ends_at ON selections (ends_at)

CREATE INDEX ix_selections_owner_made_at ON selections (owner, made_at)

CREATE INDEX ix_senders_first_at_key ON senders (first_at, "key")

CREATE INDEX ix_senders_last_at_key ON senders (last_at, "key")

CREATE INDEX ix_senders_messages_key ON senders (messages, "key")

CREATE INDEX ix_sessions_ends_at ON sessions (ends_at)

CREATE INDEX ix_sessions_name ON sessions (name)

CREATE INDEX ix_source_hours_hour ON source_hours (hour)

CREATE INDEX ix_tombstones_deleted_at ON tombstones (deleted_at)

CREATE INDEX ix_trail_about_hash ON trail_about (hash)

CREATE INDEX ix_trail_action_number ON trail (action, number)

CREATE INDEX ix_trail_at_number ON trail (at, number)

CREATE INDEX ix_trail_hash ON trail (hash)

CREATE INDEX ix_trail_kept_number ON trail (kept, number)

CREATE INDEX ix_trail_who_number ON trail (who, number)

CREATE INDEX ix_used_once_ends_at ON used_once (ends_at)

INSERT INTO alembic_version VALUES ('0025')

INSERT INTO counters VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

CREATE TRIGGER media_added AFTER INSERT ON media FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'deadline', coalesce(strftime('%Y-%m-%dT%H:%M', messages.deadline_at), ''), 1 FROM messages WHERE messages.id = NEW.message_id AND NEW.state = 'pending' UNION ALL SELECT 'reason', NEW.reason, 1 WHERE NEW.state = 'pending' AND NEW.reason <> ''; INSERT INTO counters (slot, media_pending, media_stored, media_lost, bytes) VALUES (0, CASE WHEN NEW.state = 'pending' THEN 1 ELSE 0 END, CASE WHEN NEW.state = 'stored' THEN 1 ELSE 0 END, CASE WHEN NEW.state = 'lost' THEN 1 ELSE 0 END, 1 * coalesce(NEW.size, 0)) ON CONFLICT (slot) DO UPDATE SET media_pending = counters.media_pending + excluded.media_pending, media_stored = counters.media_stored + excluded.media_stored, media_lost = counters.media_lost + excluded.media_lost, bytes = counters.bytes + excluded.bytes; END

CREATE TRIGGER media_changed AFTER UPDATE OF state, size ON media FOR EACH ROW WHEN (OLD.state <> NEW.state OR coalesce(OLD.size, 0) <> coalesce(NEW.size, 0)) BEGIN INSERT INTO counters (slot, media_pending, media_stored, media_lost, bytes) VALUES (0, CASE WHEN NEW.state = 'pending' THEN 1 ELSE 0 END + CASE WHEN OLD.state = 'pending' THEN -1 ELSE 0 END, CASE WHEN NEW.state = 'stored' THEN 1 ELSE 0 END + CASE WHEN OLD.state = 'stored' THEN -1 ELSE 0 END, CASE WHEN NEW.state = 'lost' THEN 1 ELSE 0 END + CASE WHEN OLD.state = 'lost' THEN -1 ELSE 0 END, 1 * coalesce(NEW.size, 0) + -1 * coalesce(OLD.size, 0)) ON CONFLICT (slot) DO UPDATE SET media_pending = counters.media_pending + excluded.media_pending, media_stored = counters.media_stored + excluded.media_stored, media_lost = counters.media_lost + excluded.media_lost, bytes = counters.bytes + excluded.bytes; END

CREATE TRIGGER media_explained AFTER UPDATE OF state, reason ON media FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.reason <> NEW.reason) BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'reason', OLD.reason, -1 WHERE OLD.state = 'pending' AND OLD.reason <> '' UNION ALL SELECT 'reason', NEW.reason, 1 WHERE NEW.state = 'pending' AND NEW.reason <> ''; END

CREATE TRIGGER media_moved AFTER UPDATE OF state ON media FOR EACH ROW WHEN (OLD.state <> NEW.state) BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'deadline', coalesce(strftime('%Y-%m-%dT%H:%M', messages.deadline_at), ''), -1 FROM messages WHERE messages.id = OLD.message_id AND OLD.state = 'pending' UNION ALL SELECT 'deadline', coalesce(strftime('%Y-%m-%dT%H:%M', messages.deadline_at), ''), 1 FROM messages WHERE messages.id = NEW.message_id AND NEW.state = 'pending'; END

CREATE TRIGGER media_removed AFTER DELETE ON media FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'deadline', coalesce(strftime('%Y-%m-%dT%H:%M', messages.deadline_at), ''), -1 FROM messages WHERE messages.id = OLD.message_id AND OLD.state = 'pending' UNION ALL SELECT 'reason', OLD.reason, -1 WHERE OLD.state = 'pending' AND OLD.reason <> ''; INSERT INTO counters (slot, media_pending, media_stored, media_lost, bytes) VALUES (0, CASE WHEN OLD.state = 'pending' THEN -1 ELSE 0 END, CASE WHEN OLD.state = 'stored' THEN -1 ELSE 0 END, CASE WHEN OLD.state = 'lost' THEN -1 ELSE 0 END, -1 * coalesce(OLD.size, 0)) ON CONFLICT (slot) DO UPDATE SET media_pending = counters.media_pending + excluded.media_pending, media_stored = counters.media_stored + excluded.media_stored, media_lost = counters.media_lost + excluded.media_lost, bytes = counters.bytes + excluded.bytes; END

CREATE TRIGGER message_added AFTER INSERT ON messages FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'sender', NEW.sender_number, 1 UNION ALL SELECT 'keyword', NEW.keyword_folded, 1 UNION ALL SELECT 'hour', coalesce(strftime('%Y-%m-%dT%H', NEW.recorded_at), '') || '|' || NEW.state, 1; INSERT INTO counters (slot, messages_pending, messages_archived, messages_partial, messages_lost) VALUES (0, CASE WHEN NEW.state = 'pending' THEN 1 ELSE 0 END, CASE WHEN NEW.state = 'archived' THEN 1 ELSE 0 END, CASE WHEN NEW.state = 'partial' THEN 1 ELSE 0 END, CASE WHEN NEW.state = 'lost' THEN 1 ELSE 0 END) ON CONFLICT (slot) DO UPDATE SET messages_pending = counters.messages_pending + excluded.messages_pending, messages_archived = counters.messages_archived + excluded.messages_archived, messages_partial = counters.messages_partial + excluded.messages_partial, messages_lost = counters.messages_lost + excluded.messages_lost; END

CREATE TRIGGER message_changed AFTER UPDATE OF sender_number, keyword_folded, received_at, place ON messages FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'sender', OLD.sender_number, -1 UNION ALL SELECT 'keyword', OLD.keyword_folded, -1 UNION ALL SELECT 'sender', NEW.sender_number, 1 UNION ALL SELECT 'keyword', NEW.keyword_folded, 1; END

CREATE TRIGGER message_leaves BEFORE DELETE ON messages FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'deadline', coalesce(strftime('%Y-%m-%dT%H:%M', OLD.deadline_at), ''), -1 FROM media WHERE media.message_id = OLD.id AND media.state = 'pending'; END

CREATE TRIGGER message_postponed AFTER UPDATE OF deadline_at ON messages FOR EACH ROW WHEN (OLD.deadline_at <> NEW.deadline_at) BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'deadline', coalesce(strftime('%Y-%m-%dT%H:%M', OLD.deadline_at), ''), -1 FROM media WHERE media.message_id = OLD.id AND media.state = 'pending' UNION ALL SELECT 'deadline', coalesce(strftime('%Y-%m-%dT%H:%M', NEW.deadline_at), ''), 1 FROM media WHERE media.message_id = NEW.id AND media.state = 'pending'; END

CREATE TRIGGER message_removed AFTER DELETE ON messages FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'sender', OLD.sender_number, -1 UNION ALL SELECT 'keyword', OLD.keyword_folded, -1 UNION ALL SELECT 'hour', coalesce(strftime('%Y-%m-%dT%H', OLD.recorded_at), '') || '|' || OLD.state, -1; INSERT INTO counters (slot, messages_pending, messages_archived, messages_partial, messages_lost) VALUES (0, CASE WHEN OLD.state = 'pending' THEN -1 ELSE 0 END, CASE WHEN OLD.state = 'archived' THEN -1 ELSE 0 END, CASE WHEN OLD.state = 'partial' THEN -1 ELSE 0 END, CASE WHEN OLD.state = 'lost' THEN -1 ELSE 0 END) ON CONFLICT (slot) DO UPDATE SET messages_pending = counters.messages_pending + excluded.messages_pending, messages_archived = counters.messages_archived + excluded.messages_archived, messages_partial = counters.messages_partial + excluded.messages_partial, messages_lost = counters.messages_lost + excluded.messages_lost; DELETE FROM message_words WHERE rowid = OLD.place; END

CREATE TRIGGER message_settled AFTER UPDATE OF state, recorded_at ON messages FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.recorded_at <> NEW.recorded_at) BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'hour', coalesce(strftime('%Y-%m-%dT%H', OLD.recorded_at), '') || '|' || OLD.state, -1 UNION ALL SELECT 'hour', coalesce(strftime('%Y-%m-%dT%H', NEW.recorded_at), '') || '|' || NEW.state, 1; INSERT INTO counters (slot, messages_pending, messages_archived, messages_partial, messages_lost) VALUES (0, CASE WHEN NEW.state = 'pending' THEN 1 ELSE 0 END + CASE WHEN OLD.state = 'pending' THEN -1 ELSE 0 END, CASE WHEN NEW.state = 'archived' THEN 1 ELSE 0 END + CASE WHEN OLD.state = 'archived' THEN -1 ELSE 0 END, CASE WHEN NEW.state = 'partial' THEN 1 ELSE 0 END + CASE WHEN OLD.state = 'partial' THEN -1 ELSE 0 END, CASE WHEN NEW.state = 'lost' THEN 1 ELSE 0 END + CASE WHEN OLD.state = 'lost' THEN -1 ELSE 0 END) ON CONFLICT (slot) DO UPDATE SET messages_pending = counters.messages_pending + excluded.messages_pending, messages_archived = counters.messages_archived + excluded.messages_archived, messages_partial = counters.messages_partial + excluded.messages_partial, messages_lost = counters.messages_lost + excluded.messages_lost; END

CREATE TRIGGER quarantine_added AFTER INSERT ON quarantine FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'quarantine', '', 1 WHERE NEW.understood_as = ''; END

CREATE TRIGGER quarantine_changed AFTER UPDATE OF understood_as ON quarantine FOR EACH ROW WHEN (OLD.understood_as <> NEW.understood_as) BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'quarantine', '', -1 WHERE OLD.understood_as = '' UNION ALL SELECT 'quarantine', '', 1 WHERE NEW.understood_as = ''; END

CREATE TRIGGER quarantine_removed AFTER DELETE ON quarantine FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'quarantine', '', -1 WHERE OLD.understood_as = ''; END

CREATE TRIGGER receipt_added AFTER INSERT ON receipts FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'receipt', coalesce(strftime('%Y-%m-%dT%H', NEW.received_at), '') || '|' || NEW.outcome || '|' || NEW.code, 1; INSERT INTO counters (slot, receipts_message, receipts_duplicate, receipts_other, receipts_quarantined) VALUES (0, CASE WHEN NEW.outcome = 'message' THEN 1 ELSE 0 END, CASE WHEN NEW.outcome = 'duplicate' THEN 1 ELSE 0 END, CASE WHEN NEW.outcome = 'other' THEN 1 ELSE 0 END, CASE WHEN NEW.outcome = 'quarantined' THEN 1 ELSE 0 END) ON CONFLICT (slot) DO UPDATE SET receipts_message = counters.receipts_message + excluded.receipts_message, receipts_duplicate = counters.receipts_duplicate + excluded.receipts_duplicate, receipts_other = counters.receipts_other + excluded.receipts_other, receipts_quarantined = counters.receipts_quarantined + excluded.receipts_quarantined; END

CREATE TRIGGER receipt_changed AFTER UPDATE OF outcome, code, received_at ON receipts FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'receipt', coalesce(strftime('%Y-%m-%dT%H', OLD.received_at), '') || '|' || OLD.outcome || '|' || OLD.code, -1 UNION ALL SELECT 'receipt', coalesce(strftime('%Y-%m-%dT%H', NEW.received_at), '') || '|' || NEW.outcome || '|' || NEW.code, 1; INSERT INTO counters (slot, receipts_message, receipts_duplicate, receipts_other, receipts_quarantined) VALUES (0, CASE WHEN NEW.outcome = 'message' THEN 1 ELSE 0 END + CASE WHEN OLD.outcome = 'message' THEN -1 ELSE 0 END, CASE WHEN NEW.outcome = 'duplicate' THEN 1 ELSE 0 END + CASE WHEN OLD.outcome = 'duplicate' THEN -1 ELSE 0 END, CASE WHEN NEW.outcome = 'other' THEN 1 ELSE 0 END + CASE WHEN OLD.outcome = 'other' THEN -1 ELSE 0 END, CASE WHEN NEW.outcome = 'quarantined' THEN 1 ELSE 0 END + CASE WHEN OLD.outcome = 'quarantined' THEN -1 ELSE 0 END) ON CONFLICT (slot) DO UPDATE SET receipts_message = counters.receipts_message + excluded.receipts_message, receipts_duplicate = counters.receipts_duplicate + excluded.receipts_duplicate, receipts_other = counters.receipts_other + excluded.receipts_other, receipts_quarantined = counters.receipts_quarantined + excluded.receipts_quarantined; END

CREATE TRIGGER receipt_removed AFTER DELETE ON receipts FOR EACH ROW BEGIN INSERT INTO count_changes (kind, key, step) SELECT 'receipt', coalesce(strftime('%Y-%m-%dT%H', OLD.received_at), '') || '|' || OLD.outcome || '|' || OLD.code, -1; INSERT INTO counters (slot, receipts_message, receipts_duplicate, receipts_other, receipts_quarantined) VALUES (0, CASE WHEN OLD.outcome = 'message' THEN -1 ELSE 0 END, CASE WHEN OLD.outcome = 'duplicate' THEN -1 ELSE 0 END, CASE WHEN OLD.outcome = 'other' THEN -1 ELSE 0 END, CASE WHEN OLD.outcome = 'quarantined' THEN -1 ELSE 0 END) ON CONFLICT (slot) DO UPDATE SET receipts_message = counters.receipts_message + excluded.receipts_message, receipts_duplicate = counters.receipts_duplicate + excluded.receipts_duplicate, receipts_other = counters.receipts_other + excluded.receipts_other, receipts_quarantined = counters.receipts_quarantined + excluded.receipts_quarantined; END
