-- One statement from any language: select outbox.emit('order', '42', 'OrderPlaced', '{"total": 1999}')
--
-- Returns the id of the event. It runs with the caller's rights and makes the id itself, because INSERT ... RETURNING
-- would need SELECT on the table, which a writer has no use for.
--
-- Three signatures of one function. Parameters of unknown type (most drivers) and strings take the first, typed values
-- of json or jsonb the others: a call does not cast jsonb to json by itself as an INSERT does, and with json and
-- jsonb alone an untyped parameter would be ambiguous.

create function outbox.emit(aggregatetype text, aggregateid text, type text, payload text, headers text default '{}')
returns uuid
language plpgsql
as $$
declare
  event_id constant uuid := pg_catalog.gen_random_uuid();
begin
  insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers)
  values (event_id, aggregatetype, aggregateid, type, payload::pg_catalog.json, headers::pg_catalog.json);
  return event_id;
end
$$;

create function outbox.emit(aggregatetype text, aggregateid text, type text, payload json, headers json default '{}')
returns uuid
language plpgsql
as $$
declare
  event_id constant uuid := pg_catalog.gen_random_uuid();
begin
  insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers)
  values (event_id, aggregatetype, aggregateid, type, payload, headers);
  return event_id;
end
$$;

create function outbox.emit(aggregatetype text, aggregateid text, type text, payload jsonb, headers jsonb default '{}')
returns uuid
language plpgsql
as $$
declare
  event_id constant uuid := pg_catalog.gen_random_uuid();
begin
  insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers)
  values (event_id, aggregatetype, aggregateid, type, payload, headers);
  return event_id;
end
$$;

revoke execute on function outbox.emit(text, text, text, text, text) from public;
revoke execute on function outbox.emit(text, text, text, json, json) from public;
revoke execute on function outbox.emit(text, text, text, jsonb, jsonb) from public;
