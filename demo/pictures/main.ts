/** `npm run console-pictures`: pictures of every screen and state of the console, with the data of a bad week. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { ignoreNegativeTimeouts } from '../../relay/connect/kafkajs-warnings.ts';
import { Camera, type Shot } from './camera.ts';
import { longType, oddKey, parkedKey, Scene } from './scene.ts';

ignoreNegativeTimeouts();
const docs = path.join(import.meta.dirname, '../../docs/guides');
const begunMs = performance.now();
const note = (line: string) =>
  console.log(`${String(Math.round((performance.now() - begunMs) / 1_000)).padStart(4)} s  ${line}`);
/** Of a picture in the README. */
const bytesMax = 150_000;
/** Such as `--only find,now-limited`: pictures whose name begins so. `readme` are those of the README. */
const only = process.argv[2] === '--only' ? process.argv[3]?.split(',') : undefined;
const isWanted = (name: string) => only?.some((begin) => name.startsWith(begin)) ?? true;

const click = (name: string | RegExp) => (page: Page) => page.getByRole('button', { name }).first().click();
const inDialog = async (page: Page, name: string | RegExp, reason: string) => {
  await page.getByRole('dialog').getByLabel('Reason').fill(reason);
  await page.getByRole('dialog').getByRole('button', { name }).click();
};

await using scene = await Scene.open(note);
await using camera = await Camera.open(note);
const { url } = scene.served;
const take = async (shot: Shot) => {
  if (!isWanted(shot.name)) return;
  const shifts = await camera.take(url, shot);
  note(`${shot.name}, shifted by ${shifts}`);
};
note(`the console: ${url}`);

// As it is before anything has happened.
const three = ['light', 'dark', 'phone'] as const;
await take({ name: 'empty-now', path: '/', looks: three });
await take({ name: 'empty-dead-letters', path: '/dead-letters', looks: three });
await take({ name: 'empty-list', path: '/dead-letters/list', looks: three });
await take({ name: 'empty-parked-keys', path: '/parked-keys', looks: three });
await take({ name: 'empty-audit', path: '/audit', looks: three });
await take({ name: 'empty-settings', path: '/settings?q=no+such+setting', looks: three });
if (isWanted('sign-in')) await camera.takeSignedOut(url, 'sign-in');

if (isWanted('unanswered'))
  await camera.takeUnanswered(url, {
    now: '/',
    find: '/find?by=id&value=x',
    'dead-letters': '/dead-letters',
    list: '/dead-letters/list',
    letter: '/dead-letters/0000000000001001.00000000',
    'parked-keys': '/parked-keys',
    'parked-key': '/parked-keys/events?topic=outbox.event.order&key=k',
    topics: '/topics',
    topic: '/topics/outbox.event.order',
    schemas: '/schemas',
    schema: '/schemas/outbox.event.order-shop.order.OrderCancelled',
    'schema-try': '/schemas/outbox.event.order-shop.order.OrderCancelled/try',
    audit: '/audit',
    database: '/database',
    settings: '/settings',
  });

const writing = scene.keepWriting();
await scene.startRelay();
await scene.evolve();
await scene.consume();
note('two relays, consumers and orders');
await sleep(60_000);
await take({ name: 'now-streaming', path: '/' });
await scene.refuse();
// The sentence of the screen Now goes on growing until all are counted.
await sleep(10_000);
note('dead letters, and parked keys');

const [published] = (
  await scene.pool.query<{ id: string }>(
    `select id from outbox.event where type = 'shop.payment.PaymentCaptured' order by created_at limit 1`,
  )
).rows;
const causes = '/dead-letters/list?codes=PAYLOAD_INVALID&paths=%24.currency';
const position = await camera.firstItem(`${url}${causes}`, url);
const letter = `/dead-letters/${position}`;

await take({ name: 'now-dead-letters', path: '/' });
await take({ name: 'find', path: '/find' });
await take({ name: 'find-published', path: `/find?by=id&value=${published!.id}` });
if (isWanted('find-foreign')) {
  const [foreign] = (
    await scene.pool.query<{ id: string }>(
      `select id from outbox.event where type = 'shop.payment.PaymentCaptured' order by created_at offset 1 limit 1`,
    )
  ).rows;
  await scene.writeElsewhere(foreign!.id);
  await take({ name: 'find-foreign', path: `/find?by=id&value=${foreign!.id}` });
}
await take({ name: 'find-dead-letter', path: `/find?by=position&value=${position}` });
await take({ name: 'find-key', path: `/find?${new URLSearchParams({ by: 'key', value: 'customer-1' })}` });
await take({ name: 'find-parked', path: `/find?${new URLSearchParams({ by: 'key', value: parkedKey })}` });
await take({ name: 'find-nothing', path: '/find?by=id&value=00000000-0000-4000-8000-000000000000' });
await take({ name: 'dead-letters', path: '/dead-letters' });
await take({
  name: 'dead-letters-tried',
  path: '/dead-letters',
  act: async (page) => {
    for (const button of (await page.getByRole('button', { name: 'Would they be published?' }).all()).slice(
      0,
      2,
    ))
      await button.click();
    await page.getByText('would publish now').first().waitFor();
  },
  looks: ['light', 'phone'],
});
await take({ name: 'dead-letters-list', path: causes });
await take({ name: 'dead-letters-all', path: '/dead-letters/list' });
await take({ name: 'dead-letter', path: letter });
await take({ name: 'dead-letter-viewer', path: letter, as: 'view', looks: ['light', 'phone'] });
await take({
  name: 'dead-letter-why-not',
  path: letter,
  as: 'view',
  act: (page) => page.getByRole('button', { name: 'Discard' }).hover({ force: true }),
  looks: ['light', 'phone'],
});
await take({
  name: 'dead-letter-edit',
  path: `${letter}?edit`,
  act: async (page) => {
    const editor = page.getByRole('textbox', { name: 'Payload, editable' });
    await editor.focus();
    await page.keyboard.press('ControlOrMeta+Home');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.insertText('"currency":"EUR",');
    await page.getByText('The relay would publish it.').waitFor();
  },
});
await take({ name: 'dead-letter-dialog', path: `${letter}?open=discard` });
await take({
  name: 'patch',
  path: `/dead-letters/patch?codes=PAYLOAD_INVALID&paths=%24.currency`,
  act: async (page) => {
    await page.getByLabel('Value').fill('EUR');
    await click('Preview')(page);
    await page.getByText('would be published').first().waitFor();
    await page.locator('.diff').first().waitFor();
  },
});
await take({
  name: 'patch-dialog',
  path: `/dead-letters/patch?codes=PAYLOAD_INVALID&paths=%24.currency`,
  act: async (page) => {
    await page.getByLabel('Value').fill('EUR');
    await click('Preview')(page);
    await page.getByText('would be published').first().waitFor();
    await click('Fix all with it')(page);
    await page.getByRole('dialog').waitFor();
  },
});
await take({ name: 'parked-keys', path: '/parked-keys' });
const keyOf = (key: string) =>
  `/parked-keys/events?${new URLSearchParams({ topic: 'outbox.event.shipment', key })}`;
await take({ name: 'parked-key', path: keyOf(parkedKey) });
await take({ name: 'parked-key-odd', path: keyOf(oddKey), looks: ['light', 'phone'] });
await take({
  name: 'parked-key-dialog',
  path: `${keyOf(parkedKey)}&open=release`,
  looks: ['light', 'phone'],
});
await take({ name: 'topics', path: '/topics' });
await take({ name: 'topics-sorted', path: '/topics?sort=skew', looks: ['light'] });
await take({ name: 'topic', path: '/topics/outbox.event.order' });
await take({ name: 'topic-long', path: `/topics/outbox.event.${longType}`, looks: ['light', 'phone'] });
const subject = 'outbox.event.order-shop.order.OrderCancelled';
await take({ name: 'schemas', path: '/schemas' });
await take({ name: 'schema-versions', path: `/schemas/${subject}?before=1&after=2` });
await take({
  name: 'schema-try',
  path: `/schemas/${subject}/try`,
  act: async (page) => {
    await page.getByRole('textbox', { name: 'Schema to try' }).focus();
    await page.keyboard.press('ControlOrMeta+a');
    const type = { type: 'record', name: 'OrderCancelled', namespace: 'shop.order' };
    const fields = [
      { name: 'orderId', type: { type: 'string', logicalType: 'uuid' } },
      { name: 'refundCents', type: 'long' },
    ];
    await page.keyboard.insertText(JSON.stringify({ ...type, fields }, null, 2));
    await click('Check compatibility')(page);
    await page.getByText('It must not become').waitFor();
    await click('Try recent rows')(page);
    const ended = page.getByText(/The relay would publish|None of/).or(page.locator('.failure'));
    await ended.first().waitFor();
  },
});
await take({ name: 'audit', path: '/audit' });
await take({
  name: 'audit-running',
  path: '/audit',
  act: async (page) => {
    // In the second look it runs already.
    const cancel = page.getByRole('button', { name: 'Cancel' });
    if (!(await cancel.isVisible())) await click(/^Verify$/)(page);
    await cancel.waitFor();
  },
  looks: ['light', 'phone'],
});
await take({ name: 'database', path: '/database' });
await take({
  name: 'database-checked',
  path: '/database',
  act: async (page) => {
    await click('Check now')(page);
    await page.locator('.findings').first().waitFor();
  },
});
await take({ name: 'settings', path: '/settings' });
await take({ name: 'settings-all', path: '/settings?show=all', looks: ['light', 'phone'] });
await take({ name: 'settings-viewer', path: '/settings', as: 'view', looks: ['light'] });
await take({ name: 'settings-pause', path: '/settings?open=pause' });
await take({ name: 'settings-limit', path: '/settings?open=rate-limit', looks: ['light', 'phone'] });

// For the README, while everything is as it was.
for (const [name, at, act] of [
  ['console-now', '/', undefined],
  ['console-dead-letter', letter, (page: Page) => page.locator('.cm-marked').first().waitFor()],
  ['console-audit', '/audit', undefined],
] as const) {
  if (!isWanted('readme')) break;
  const file = path.join(docs, `${name}.webp`);
  const bytes = await camera.portray(url, at, file, act);
  note(`${file}, ${bytes.toLocaleString('en-US')} bytes`);
  if (bytes > bytesMax) camera.fault(`${file} has more than ${bytesMax} bytes`);
}

// What a person then does.
await take({
  name: 'dead-letters-fixed',
  path: `/dead-letters/patch?codes=PAYLOAD_INVALID&paths=%24.currency`,
  act: async (page) => {
    await page.getByLabel('Value').fill('EUR');
    await click('Preview')(page);
    await click('Fix all with it')(page);
    await inDialog(page, 'Fix all with it', 'the deployment of noon forgot the currency');
    await page.getByText('were fixed').waitFor();
  },
  looks: ['light'],
});
await sleep(5_000);
await take({ name: 'now-fixed', path: '/', looks: ['light', 'phone'] });
await take({
  name: 'dead-letters-resubmitted',
  path: causes,
  act: async (page) => {
    await click('Resubmit')(page);
    await inDialog(page, 'Resubmit', 'patched');
    await page.getByText('were resubmitted').waitFor();
  },
  looks: ['light'],
});
await scene.deleteRow();
await take({
  name: 'audit-findings',
  path: '/audit',
  act: async (page) => {
    if (await page.getByRole('button', { name: 'Cancel' }).isVisible()) await click('Cancel')(page);
    await click(/^Verify$/)(page);
    await page
      .getByText(/\d finding/)
      .first()
      .waitFor({ timeout: 240_000 });
  },
  looks: ['light', 'phone'],
});

// And what goes wrong.
await scene.command(
  'pause',
  '--for',
  '1h',
  '--reason',
  'Migration of the consumers of orders',
  '--by',
  'anna',
);
// Until the relay obeys, and the screen Now says so.
await sleep(5_000);
await take({
  name: 'now-paused',
  path: '/',
  act: (page) => page.locator('.badge', { hasText: 'paused' }).first().waitFor(),
  looks: ['light', 'phone'],
});
await take({ name: 'settings-paused', path: '/settings', looks: ['light', 'phone'] });
await take({ name: 'settings-resume', path: '/settings?open=resume' });
const waiting = await scene.writeOne('customer-77');
await take({ name: 'find-waiting', path: `/find?by=id&value=${waiting}` });
await scene.command('resume', '--reason', 'done', '--by', 'anna');
const limiting = ['--reason', 'consumers catch up', '--by', 'anna'];
await scene.command('rate-limit', '--events', '60', ...limiting);
// A minute of samples says when it will have caught up.
await sleep(30_000);
await take({
  name: 'now-limited',
  path: '/',
  act: (page) => page.locator('.badge', { hasText: 'limited' }).first().waitFor(),
});
await take({ name: 'settings-limited', path: '/settings', looks: ['light', 'phone'] });
await take({ name: 'settings-actions', path: '/settings#actions', looks: ['light', 'phone'] });
await scene.command('rate-limit', '--events', 'none', ...limiting);
const kafka = scene.stack.kafka!.nodes[0]!;
kafka.kill('SIGSTOP');
// Pictures are of the state, and not of the way there.
const watch = await camera.page(url, 'light');
await watch.goto(url);
await watch.locator('.verdict.bad').waitFor({ timeout: 240_000 });
// The two relays notice it one after the other.
await sleep(20_000);
await take({
  name: 'now-kafka-away',
  path: '/',
  act: (page) => page.locator('.verdict.bad').waitFor({ timeout: 240_000 }),
  looks: ['light', 'dark', 'phone'],
});
await take({ name: 'topics-kafka-away', path: '/topics', looks: ['light'] });
kafka.kill('SIGCONT');
scene.calm();
await writing;
await scene.stopRelays();
await take({
  name: 'now-no-relay',
  path: '/',
  act: (page) => page.locator('.verdict.bad').waitFor(),
  looks: ['light', 'phone'],
});

note(camera.summary);
process.exitCode = camera.faults === 0 ? 0 : 1;
