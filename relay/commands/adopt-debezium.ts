/** `outbox-relay adopt debezium`: takes over from a connector of Debezium. */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { messageOf, RequestInvalid } from '../errors.ts';
import { createLogger } from '../observe/log.ts';
import type { ConnectorProperties } from '../operations/adopt/connector-properties.ts';
import { adoptDebezium, type TakeOverOptions, type TakeOverStage } from '../operations/adopt/debezium.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { type Call, define } from './command.ts';
import { describeStage, describeTakeOver } from './describe-take-over.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { ProgressLine, unlessNothing } from './progress-line.ts';
import { oneShot, untilSignalled } from './until-signalled.ts';

type Options = ActorOptions & {
  dryRun?: boolean;
  json?: boolean;
  connectorSlot: string;
  connectorPublication: string;
  unjudged: TakeOverOptions['unjudged'];
  overtaken: TakeOverOptions['overtaken'];
  acceptOtherKeys?: boolean;
  acceptOtherHeaders?: boolean;
  connectorConfig?: string;
  dropSlot?: boolean;
};

const help = `
Stop the connector first (PUT /connectors/<name>/stop), and delete it before you start a relay: nothing else keeps Kafka
Connect from starting it again, and then both would publish. Before that, name its table, columns, topics and formats in
the settings, and run \`outbox-relay migrate\` and \`outbox-relay check\`. --connector-config compares the settings with
the properties of the connector, as Kafka Connect answers to GET /connectors/<name>/config, and refuses what differs.

Steps: hold the slot of the connector; fence every earlier relay; create the slot of the relay; read what was committed
between the positions of the two slots; compare it with the topics by the header \`id\` (read_committed); publish the events
that are missing, in the order of their commits; write the progress from which \`run\` continues. Rows that the application
deletes at once are in the slot, and so are published too. If it is killed, run it again: it publishes nothing twice.

Reads: the slot of the connector, the topics of topics.allow. Changes: our slot, the progress, our tables in the schema
outbox, the topics. The slot of the connector stays where it is, and holds WAL until you drop it. --dry-run changes
nothing; it holds the slot of the connector for a moment.

Limits:
  before the slot  What the connector has confirmed counts as published. \`outbox-relay audit --once --source debezium\` shows
                   whether it is, as long as the table has the rows.
  duplicates       Without exactly-once delivery the connector has published some events twice. They stay; the output
                   counts those after the confirmed position.
  overtaken        If a later event of the same topic and key is in Kafka, a missing one can only come behind it.
                   --overtaken decides.
  unjudged         If Kafka compacts a topic, or has removed records of that time, an event may have been published and then
                   removed. --unjudged decides.

Memory: about 60 bytes for each event after the confirmed position. It does not grow with the table or the topics.

Exit codes: 0 adopted · 1 interrupted, a dry run, or an option has to decide first · 64 a relay has streamed from our slot
already, or invalid arguments · 69 a server is unreachable, or the connector or a relay holds a slot · 77 access denied ·
78 the slot or the publication of the connector is missing or cannot be read

Examples:
  $ outbox-relay adopt debezium --dry-run
  $ curl -s http://connect:8083/connectors/orders/config | outbox-relay adopt debezium --dry-run --connector-config -
  $ outbox-relay adopt debezium --connector-slot orders --connector-publication orders_publication
  $ outbox-relay adopt debezium --drop-slot --reason 'moved to the relay'`;

const choices: readonly TakeOverOptions['unjudged'][] = ['refuse', 'publish', 'skip'];

export function adoptDebeziumCommand(load: Load): Command {
  const command = new Command('debezium')
    .summary('take over from a stopped connector of Debezium')
    .description(
      'Takes over from a stopped connector of Debezium: publishes what it left unpublished, nothing twice, and creates the slot from which `run` continues.',
    )
    .option('--dry-run', 'show what would be published; change nothing')
    .option('--connector-slot <name>', 'slot.name of the connector', 'debezium')
    .option('--connector-publication <name>', 'publication.name of the connector', 'dbz_publication')
    .addOption(
      new Option('--unjudged <what>', 'what to do with events that may have been published and removed')
        .choices(choices)
        .default('refuse'),
    )
    .addOption(
      new Option('--overtaken <what>', 'what to do with missing events of which a later one is in Kafka')
        .choices(choices)
        .default('refuse'),
    )
    .option('--accept-other-keys', 'continue even if the records of the connector have other topics or keys')
    .option(
      '--accept-other-headers',
      'continue even if records of the connector have headers that those of the relay will not have',
    )
    .option(
      '--connector-config <file>',
      'compare the properties of the connector with the settings first (JSON, - for standard input)',
    )
    .option('--drop-slot', 'drop the slot of the connector at the end')
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  return define<Options>(withActor(command), load, { run });
}

/**
 * What Kafka Connect answers to GET /connectors/<name>/config, or to GET /connectors/<name>, which has it under `config`.
 * @throws RequestInvalid
 */
export function readProperties(file: string): ConnectorProperties {
  const where = file === '-' ? 'standard input' : file;
  let text: string;
  try {
    // 0 is standard input.
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new RequestInvalid(`cannot read ${where}: ${messageOf(error)}`);
  }
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    // Without the parser's error: the configuration may hold a password.
    throw new RequestInvalid(`${where} is not JSON: give what GET /connectors/<name>/config answers`);
  }
  const properties = isObject(given) && isObject(given.config) ? given.config : given;
  if (!isObject(properties) || properties['connector.class'] === undefined)
    throw new RequestInvalid(
      `${where} is not the configuration of a connector: it has no connector.class. Give what GET /connectors/<name>/config answers`,
    );
  return Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, String(value)]));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

async function run({ config, options }: Call<Options>) {
  const line = new ProgressLine<TakeOverStage>(unlessNothing(describeStage));
  const adopting = {
    config,
    log: createLogger('fatal'),
    isDryRun: options.dryRun === true,
    slot: options.connectorSlot,
    publication: options.connectorPublication,
    unjudged: options.unjudged,
    overtaken: options.overtaken,
    acceptsOtherKeys: options.acceptOtherKeys === true,
    acceptsOtherHeaders: options.acceptOtherHeaders === true,
    ...(options.connectorConfig !== undefined && {
      properties: readProperties(options.connectorConfig),
    }),
    dropsSlot: options.dropSlot === true,
    onStage: (stage: TakeOverStage) => line.show(stage, stage.stage),
  };
  const actor = { person: options.by, reason: options.reason ?? null };
  const taken = await untilSignalled(oneShot, (signal) =>
    adoptDebezium({ ...adopting, signal }, actor),
  ).finally(() => line.end());
  return {
    data: taken,
    text: describeTakeOver(taken).join('\n'),
    hasFindings: taken.outcome !== 'adopted',
  };
}
