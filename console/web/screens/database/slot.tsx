/** The slot: what it holds, how long it can hold an outage, and what each choice costs. */

import { bytes, seconds, unknown } from '../../data/format.ts';
import { Badge, Card, Empty, type Tone } from '../../parts/basics.tsx';
import type { Facts } from './database.tsx';

type Outlook = NonNullable<Facts['outlook']['value']>;

export function SlotCard({ slotName, outlook }: { slotName: string; outlook: Outlook }) {
  const { slot, limitBytes, verdict, untilLimitSeconds, untilDiskSeconds, rates } = outlook;
  return (
    <Card
      title="Slot"
      aside={
        slot === null ? (
          <Badge tone="warn">does not exist</Badge>
        ) : (
          <span>
            <code>{slotName}</code>{' '}
            <Badge tone={slot.isActive ? 'good' : 'warn'}>
              {slot.isActive ? `a relay is connected, pid ${slot.activePid}` : 'no relay is connected'}
            </Badge>
          </span>
        )
      }
    >
      {slot === null ? (
        <Empty title={`Postgres has no slot ${slotName}`}>
          The first start of a relay creates it. If a relay has used it before, it is lost:{' '}
          <code>outbox-relay recover</code> publishes what is missing.
        </Empty>
      ) : (
        <>
          <dl className="tallies">
            <Left
              title="Until Postgres may give up the slot"
              left={untilLimitSeconds}
              never="max_slot_wal_keep_size sets no limit"
              unknownWhy="the rate of WAL is not known yet"
            />
            <Left
              title="Until the disk is full"
              left={untilDiskSeconds}
              never="at the present rate"
              unknownWhy={
                outlook.diskBytes === null
                  ? 'Postgres cannot tell how large its disk is: set slot.walDiskBytes'
                  : outlook.directoryBytes === null
                    ? 'the role may not list pg_wal: grant it pg_monitor'
                    : 'the rate of WAL is not known yet'
              }
            />
          </dl>
          <p className="quiet">If nothing is published from now on, and WAL is written as it is now.</p>
          {limitBytes !== null && slot.safeWalBytes !== null && (
            <Meter used={slot.retainedBytes} safe={slot.safeWalBytes} />
          )}
          <dl className="facts">
            <Fact name="WAL kept for the slot" value={bytes(slot.retainedBytes)} />
            <Fact
              name="max_slot_wal_keep_size"
              value={limitBytes === null ? 'no limit' : bytes(limitBytes)}
            />
            <Fact
              name="Left before it is at risk"
              value={slot.safeWalBytes === null ? 'no limit' : bytes(Math.max(0, slot.safeWalBytes))}
            />
            <Fact name="State of its WAL" value={slot.walStatus ?? unknown} />
            <Fact name="Confirmed position" value={slot.confirmedLsn} />
            <Fact
              name="Files of WAL on the disk"
              value={
                outlook.directoryBytes === null ? 'the role may not list them' : bytes(outlook.directoryBytes)
              }
            />
          </dl>
        </>
      )}
      <h3>How fast WAL is written</h3>
      <dl className="facts">
        <Fact name="Last 5 minutes" value={rate(rates.last5Min)} />
        <Fact name="Last hour" value={rate(rates.lastHour)} />
        <Fact name="Busiest hour of the last day" value={rate(rates.busiestHour)} />
        <Fact name="Since the last checkpoint" value={rate(rates.sinceCheckpoint)} />
      </dl>
      <h3>What an outage may cost</h3>
      <p>
        <Badge tone={verdict.status === 'ok' ? 'good' : 'warn'}>
          {verdict.status === 'ok' ? 'fine' : 'decide'}
        </Badge>{' '}
        {verdict.message}.
      </p>
      {verdict.fix !== undefined && <p>{verdict.fix}</p>}
      <dl className="explained">
        <div>
          <dt>No limit {limitBytes === null && <Badge tone="accent">now</Badge>}</dt>
          <dd>The slot is never lost. WAL grows until the disk is full, and then every write fails.</dd>
        </div>
        <div>
          <dt>
            A limit, and stop{' '}
            {limitBytes !== null && outlook.whenLost === 'stop' && <Badge tone="accent">now</Badge>}
          </dt>
          <dd>
            Writes go on. Postgres gives up the slot, and the relay stops until somebody runs{' '}
            <code>outbox-relay recover</code>.
          </dd>
        </div>
        <div>
          <dt>
            A limit, and recover{' '}
            {limitBytes !== null && outlook.whenLost === 'recover' && <Badge tone="accent">now</Badge>}
          </dt>
          <dd>
            Writes go on. After a lost slot the relay publishes the missing events from the table by itself (
            <code>slot.whenLost: recover</code>).{' '}
            {outlook.keepsCommitTimes
              ? 'track_commit_timestamp is on, so it knows their order.'
              : 'track_commit_timestamp is off, so it stops if a key misses events of several transactions.'}
          </dd>
        </div>
      </dl>
    </Card>
  );
}

const Fact = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

const rate = (perSecond: number | null): string =>
  perSecond === null ? 'not known yet' : `${bytes(perSecond)}/s · ${bytes(perSecond * 3_600)}/h`;

function Left({
  title,
  left,
  never,
  unknownWhy,
}: {
  title: string;
  left: number | 'never' | null;
  never: string;
  unknownWhy: string;
}) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>
        {left === 'never' ? (
          <>
            <strong>never</strong>
            <small className="quiet">{never}</small>
          </>
        ) : left === null ? (
          <>
            <strong className="quiet">not known</strong>
            <small className="quiet">{unknownWhy}</small>
          </>
        ) : (
          <strong className={`text-${toneOf(left)}`}>{left === 0 ? 'now' : seconds(left)}</strong>
        )}
      </dd>
    </div>
  );
}

/** Less than an evening, less than a night and a day. */
const toneOf = (left: number): Tone => (left < 4 * 3_600 ? 'bad' : left < 24 * 3_600 ? 'warn' : 'good');

function Meter({ used, safe }: { used: number; safe: number }) {
  const all = used + Math.max(0, safe);
  return (
    <meter
      aria-label="WAL kept for the slot, of what it may be"
      min={0}
      max={all}
      high={all * 0.75}
      value={used}
      title={`${bytes(used)} of ${bytes(all)}`}
    />
  );
}
