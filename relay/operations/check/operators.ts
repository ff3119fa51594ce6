/** Whether people can do with an operator's role what they are meant to: no relay needs it, and an incident does. */
import { type OperatorRights, operatorRightsOf } from '../operator-rights.ts';
import { ok, skipped, type Verdict, warn } from './finding.ts';
import type { PostgresCheck } from './postgres-context.ts';

export const operatorRights: PostgresCheck = {
  name: 'operator rights',
  async run({ pool, config }) {
    const own = await operatorRightsOf(pool, config);
    if (own?.isNothingThere === true) return skipped('there is nothing yet to have rights on');
    if (own?.isMember === true && own.missing.length > 0) return lacking(own);
    // Others can say what the role outbox_operator has, too.
    const group = await operatorRightsOf(pool, config, true);
    if (group === undefined)
      return skipped(
        'there is no role outbox_operator; `outbox-relay migrate --roles` makes it for people and the console',
      );
    return group.missing.length > 0
      ? lacking(group)
      : ok('outbox_operator has everything that people and the console do with it');
  },
};

/** A role that lacks everything would fill the screen. */
const namedMax = 5;

function lacking({ role, missing, cannot, fixes }: OperatorRights): Verdict {
  const more = missing.length > namedMax ? `, and ${missing.length - namedMax} more` : '';
  const some = missing.length > namedMax ? '' : `, or only: ${fixes.join(' ')}`;
  return warn(
    `role ${role} lacks ${missing.slice(0, namedMax).join(', ')}${more}. It cannot: ${cannot.join('; ')}`,
    `Run \`outbox-relay migrate --roles\` as the owner${some || '.'}`,
  );
}
