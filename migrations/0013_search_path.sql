-- Functions that ran under the search_path of their caller. Every name in them has its schema already; with a path of
-- their own that stays so, whatever is changed in them or in what they call.
alter function outbox.refuse_update() set search_path = pg_catalog, pg_temp;
alter function outbox.note_closing() set search_path = pg_catalog, pg_temp;
alter function outbox.emit(text, text, text, text, text) set search_path = pg_catalog, pg_temp;
alter function outbox.emit(text, text, text, json, json) set search_path = pg_catalog, pg_temp;
alter function outbox.emit(text, text, text, jsonb, jsonb) set search_path = pg_catalog, pg_temp;
