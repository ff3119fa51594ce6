/** Who streams, who stands by. */
import type { KnownRelay } from '../../../../relay/operations/relays.ts';
import type { Sampled } from '../../../server/live/sampler.ts';
import { bytes, figure, milliseconds, percent } from '../../data/format.ts';
import { Ago, Badge, Card, Empty, Scroll, type Tone } from '../../parts/basics.tsx';
import { steady } from './steady.ts';

export function Relays({ relays, sampled }: { relays: readonly KnownRelay[]; sampled: Sampled | null }) {
  const unreached = sampled?.relays.filter(({ failure }) => failure !== null) ?? [];
  return (
    <Card title="Relays">
      {relays.length === 0 ? (
        <Empty title="No relay has registered">
          Each relay of the slot is listed here with its state. Start one with <code>outbox-relay run</code>.
        </Empty>
      ) : (
        <Scroll label="Relays of the slot">
          <table>
            <thead>
              <tr>
                <th>Relay</th>
                <th>State</th>
                <th>Since</th>
                <th className="number">Events/s</th>
                <th className="number">Oldest unpublished</th>
                <th className="number">CPU, of a core</th>
                <th className="number">Memory</th>
                <th>Version</th>
              </tr>
            </thead>
            <tbody>
              {steady(relays).map((relay) => {
                const { instance, host, isGone, state, stateSince, facts, version, seenAt } = relay;
                const figures = sampled?.relays.find((each) => each.instance === instance)?.figures;
                return (
                  <tr key={instance}>
                    <td className="name">
                      {instance} <small className="quiet">{host}</small>
                    </td>
                    <td>
                      <Badge tone={toneOf(relay)}>{isGone ? 'gone' : state}</Badge>
                    </td>
                    <td>
                      {isGone ? (
                        <>
                          last seen <Ago at={seenAt} />
                        </>
                      ) : (
                        <Ago at={stateSince} />
                      )}
                    </td>
                    <td className="number">{isGone ? figure(null) : figure(facts.eventsPerSecond)}</td>
                    <td className="number">{isGone ? milliseconds(null) : milliseconds(facts.lagMs)}</td>
                    <td className="number">{percent(figures?.cpuShare)}</td>
                    <td className="number">{bytes(figures?.memoryBytes)}</td>
                    <td>{version}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
      {unreached.map(({ url, failure }) => (
        <p key={url} className="quiet">
          No figures from {url}: {failure}. Set <code>console.relays</code> if the relays have other
          addresses.
        </p>
      ))}
    </Card>
  );
}

function toneOf({ isGone, state }: KnownRelay): Tone {
  if (isGone || state === 'stopped') return 'bad';
  return state === 'streaming' ? 'good' : state === 'standby' ? 'quiet' : 'warn';
}
