-- What the relay's slot streams. Inserts only: an UPDATE is refused, and deleting old rows is no event. Under the
-- root's name, whichever partition a row is in, so that partitions can come and go. The publication has to exist
-- before the slot does.
create publication outbox_relay
  for table outbox.event, outbox.heartbeat
  with (publish = 'insert', publish_via_partition_root = true);
