/**
 * Repairs with the console alone, as a person on call does them: a bad deployment, a parked key, two people at once, a
 * relay that dies meanwhile, and rows that are made to break a page.
 */
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { idOf, itemOf } from '../../relay/world.ts';
import { ConsoleWorld, takePicture } from '../console-world.ts';

let desk: ConsoleWorld;
beforeEach(async () => {
  desk = await ConsoleWorld.create();
});
afterEach(() => desk?.[Symbol.asyncDispose]());

/** Writes one payload as it is. @returns the id of the event */
async function emit(key: string, payload: unknown): Promise<string> {
  const { rows } = await desk.world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', $1, 'test.ItemMoved', $2)
     returning id`,
    [key, JSON.stringify(payload)],
  );
  return rows[0]!.id;
}

const badDeployment = 500;

/** Fills in the reason and presses the button of that name in the dialog. */
async function confirm(page: Page, name: string | RegExp, reason: string): Promise<void> {
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill(reason);
  await dialog.getByRole('button', { name }).click();
}

describe('a bad deployment', () => {
  test('sends 500 broken events among good ones: seen, found, explained, patched, resubmitted, and proven', async () => {
    const { world } = desk;
    await world.startRelay().streaming();
    const good = await world.write(
      Array.from({ length: badDeployment }, (_, seq) => ({ key: `k${seq % 50}`, seq })),
    );
    await using tab = await desk.open();
    const { page, errors } = tab;
    await desk.signIn(page);
    await page.locator('.verdict.good').waitFor();
    const broken = await world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       select 'item', 'k' || n % 50, 'test.ItemMoved', jsonb_build_object('key', 'k' || n % 50, 'seq', 'twelve')
         from generate_series(1, ${badDeployment}) as n returning id`,
    );
    const later = await world.write(
      Array.from({ length: badDeployment }, (_, seq) => ({ key: `k${seq % 50}`, seq })),
    );

    await page
      .locator('.verdict.warn')
      .getByText(/dead letter/)
      .first()
      .waitFor();
    await takePicture(page, 'story-1-now');
    await page
      .getByRole('navigation', { name: 'Screens' })
      .getByRole('link', { name: 'Dead letters' })
      .click();
    const causes = page.getByRole('region', { name: 'Causes' });
    await causes.getByText('500 dead letters').waitFor();
    await causes.getByText('$.seq').first().waitFor();
    await takePicture(page, 'story-2-groups');
    await causes.getByRole('link', { name: 'PAYLOAD_INVALID' }).click();
    await page.getByText(`"twelve" in ${badDeployment}`).waitFor();
    await page.getByRole('link', { name: 'Patch…' }).click();
    expect(await page.getByLabel('Field', { exact: true }).inputValue()).toBe('seq');
    // Neither what the form nor what the text begins with can be stored, also once it is previewed.
    const fixAll = page.getByRole('button', { name: 'Fix all with it' });
    const preview = page.getByRole('button', { name: 'Preview', exact: true });
    await preview.click();
    await page.getByText('To fix them: Say first what to do with which field.').waitFor();
    await page.getByRole('button', { name: 'Write it as text' }).click();
    const asText = page.getByRole('textbox', { name: 'JSON Patch' });
    expect(JSON.parse(await asText.inputValue())).toEqual([{ op: 'convert', path: '/seq', to: 'number' }]);
    await preview.click();
    await page.getByText('would not be stored').first().waitFor();
    await page.getByText('To fix them: Edit the example first.').waitFor();
    expect(await fixAll.isDisabled()).toBe(true);
    await takePicture(page, 'story-3-example');
    await page.emulateMedia({ colorScheme: 'dark' });
    await takePicture(page, 'story-3-example-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await asText.fill('[{ "op": "remove", "path": "/seq" }]');
    await preview.click();
    await page.getByText('would not be stored').first().waitFor();
    expect(await page.getByText('Edit the example first').count()).toBe(0);
    await page.getByRole('button', { name: 'Use the form' }).click();
    await page.getByLabel('What to do').selectOption('convert');
    await page.getByRole('button', { name: 'Try it on all' }).click();
    await page.getByText(`0 of ${badDeployment}`).waitFor();
    await page.getByText('To fix them: The relay would publish none of them').waitFor();
    await page.getByLabel('What to do').selectOption('set');
    await page.getByLabel('Kind').selectOption('number');
    await page.getByLabel('Value').fill('9007199254740993');
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByText('would be published').first().waitFor();
    await takePicture(page, 'story-3-preview');
    await page.getByRole('button', { name: 'Fix all with it' }).click();
    await confirm(page, 'Fix all with it', 'the deployment of noon wrote words');
    await page.getByText('500 of 500').waitFor();
    await page.getByText('fixed, not resubmitted yet').first().waitFor();
    await page.getByRole('button', { name: 'Resubmit' }).first().click();
    await confirm(page, 'Resubmit', 'patched');
    await page.getByText('were resubmitted').waitFor();
    await takePicture(page, 'story-4-resubmitted');

    const ids = [...good, ...broken.rows.map(({ id }) => id), ...later];
    const records = await world.read(ids);
    expect(records.map(idOf).toSorted()).toEqual(ids.toSorted());
    // Larger than a number of JavaScript holds exactly. The refused rows stay as they were written.
    const payloads = await world.pool.query(
      `select payload ->> 'seq' as seq, count(*)::int as rows from outbox.event where id = any ($1) group by 1 order by 1`,
      [broken.rows.map(({ id }) => id)],
    );
    expect(payloads.rows).toEqual([
      { seq: '9007199254740993', rows: badDeployment },
      { seq: 'twelve', rows: badDeployment },
    ]);
    const { code, stdout } = await world.command('verify', '--json');
    expect(code, stdout).toBe(0);
    const trail = await world.pool.query(
      `select person, note as reason, count(*)::int as n from outbox.dead_letter_action group by 1, 2 order by 2`,
    );
    expect(trail.rows).toEqual([
      { person: 'anna', reason: 'patched', n: badDeployment },
      { person: 'anna', reason: 'the deployment of noon wrote words', n: badDeployment },
    ]);
    await page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: 'Now' }).click();
    await page.locator('.verdict.good').waitFor();
    expect(errors.filter((each) => !each.includes('401'))).toEqual([]);
  });
});

describe('a parked key', () => {
  const key = '<img src=x onerror="document.title=1">\u0007\u202e';

  test('of signs that would break a page: fixed by one of two, released while a relay dies, in order', async () => {
    const { world } = desk;
    const settings = { DEAD_LETTERS_POLICY: 'park-key' };
    const relay = world.startRelay(settings);
    await relay.streaming();
    const ids = [await emit(key, { key, seq: 1 }), await emit(key, { key, seq: 'two' })];
    for (const seq of [3, 4, 5]) ids.push(await emit(key, { key, seq }));
    await using anna = await desk.open();
    await using bert = await desk.open();
    await desk.signIn(anna.page);
    await desk.signIn(bert.page, 'operate', 'bert');
    await anna.page.goto(`${desk.served.url}/parked-keys`);
    await anna.page.locator('main table').getByRole('link', { name: '<img src=x' }).click();
    await anna.page.getByText('3 events behind').waitFor();
    await takePicture(anna.page, 'parked-key');
    await anna.page.locator('.waits').getByRole('link').first().click();
    await anna.page.getByRole('button', { name: 'Edit the payload' }).waitFor();
    await bert.page.goto(anna.page.url());
    const corrected = JSON.stringify({ key, seq: 2 });
    for (const { page } of [anna, bert]) {
      await page.getByRole('button', { name: 'Edit the payload' }).click();
      const editor = page.getByRole('textbox', { name: 'Payload, editable' });
      await editor.focus();
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.insertText(corrected);
      await page.getByText('The relay would publish it.').waitFor();
    }
    await bert.page.getByRole('button', { name: 'Store' }).click();
    await anna.page.getByRole('button', { name: 'Store' }).click();
    await confirm(anna.page, 'Store', 'two, not "two"');
    await anna.page.getByRole('button', { name: 'Undo the last fix' }).waitFor();
    await confirm(bert.page, 'Store', 'mine');
    await bert.page
      .getByRole('dialog')
      .getByText(/anna|changed/i)
      .first()
      .waitFor();
    await takePicture(bert.page, 'second-person');

    await relay.kill();
    const dying = world.startRelay({ ...settings, FAILPOINT: 'EVENTS_SENT' });
    await dying.streaming();
    await anna.page.goto(`${desk.served.url}/parked-keys`);
    await anna.page.getByText('fixed, ready to release').waitFor();
    await anna.page.locator('main table').getByRole('link', { name: '<img src=x' }).click();
    await anna.page.getByRole('button', { name: 'Release', exact: true }).click();
    await confirm(anna.page, 'Release', 'corrected');
    await dying.exited;
    await world.startRelay(settings).streaming();
    await anna.page.getByText('1 of 1').waitFor();
    await takePicture(anna.page, 'released');
    const records = await world.read(ids);
    expect(records.map((record) => itemOf(record).seq)).toEqual([1, 2, 3, 4, 5]);
    for (const { page, errors } of [anna, bert]) {
      expect(await page.title()).toMatch(/Outbox relay/);
      // A refusal is an answer, which the browser notes.
      expect(errors.filter((each) => !/status of (401|409)/.test(each))).toEqual([]);
    }
  });
});

test('a payload of 900 KB full of HTML is shown as text, with the place that fails', async () => {
  const { world } = desk;
  await world.startRelay().streaming();
  const note = '<script>document.title="gone"</script>'.repeat(900 * 27);
  await emit('large', { key: 'large', seq: 'x', note });
  await using tab = await desk.open();
  const { page, errors } = tab;
  await desk.signIn(page);
  await page.locator('.verdict.warn').waitFor();
  await page.goto(`${desk.served.url}/dead-letters/list`);
  await page.locator('main table').getByRole('link').first().click();
  await page.getByRole('textbox', { name: 'Payload' }).getByText('"large"').first().waitFor();
  await page.getByText('marked:').getByText('$.seq').waitFor();
  expect(await page.title()).toMatch(/Outbox relay/);
  expect(await page.locator('main script').count()).toBe(0);
  expect(errors.filter((each) => !each.includes('401'))).toEqual([]);
});
