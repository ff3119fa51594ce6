/** What a relay says of the configuration that it has read. */
import { expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import { readRelays } from '../../../relay/ledger/relays.ts';
import { Announcer } from '../../../relay/operations/announce.ts';
import { openRelayDatabase } from '../commands/outbox.ts';

test('a relay names the settings that wait for a restart, also after it has rejected others', async () => {
  await using relay = await openRelayDatabase();
  const config = relay.config();
  const announcer = new Announcer({
    config,
    instance: 'one',
    health: { ready: () => ({ ready: true, reason: 'streaming' }) },
    onFailure: () => {},
  });
  const { hears } = announcer.listener;
  hears.configRead?.({ result: 'applied', applied: [], needRestart: ['kafka.brokers'] });
  hears.configRead?.({ result: 'rejected', failure: new RelayError('CONFIG_INVALID', 'no') });
  announcer.start('');
  await expect
    .poll(() => readRelays(relay.pool, config.slot.name), { timeout: 10_000 })
    .toMatchObject([{ facts: { hasRejectedConfig: true, needRestart: ['kafka.brokers'] } }]);
  await announcer.end();
});
