import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../../relay/config/config.ts';
import {
  type Levels,
  levelAdvice,
  putLevel,
  type SubjectLevel,
} from '../../../../relay/operations/schemas/level-advice.ts';

const registryOf = (env: Record<string, string> = {}) =>
  loadConfig({ env: { SCHEMA_REGISTRY_URL: 'http://registry:8081', ...env }, needs: ['registry'] }).config
    .registry;

describe('the command that sets a level', () => {
  test('is for the registry of the settings', () => {
    expect(putLevel(registryOf(), '/config')).toBe(
      `curl -X PUT -H 'Content-Type: application/json' -d '{"compatibility": "BACKWARD"}' http://registry:8081/config`,
    );
    expect(
      putLevel(registryOf({ SCHEMA_REGISTRY_URL: 'http://a:1/apis/ccompat/v7/,http://b:1' }), '/config/s'),
    ).toMatch(/ http:\/\/a:1\/apis\/ccompat\/v7\/config\/s$/);
  });

  test.each([
    [{ SCHEMA_REGISTRY_URL: 'https://me:sesame@registry' }, "--user '<user>:<password>'"],
    [
      { OUTBOX_RELAY_REGISTRY_USERNAME: 'me', OUTBOX_RELAY_REGISTRY_PASSWORD: 'sesame' },
      "--user '<user>:<password>'",
    ],
    [{ OUTBOX_RELAY_REGISTRY_TOKEN: 'sesame' }, "-H 'Authorization: Bearer <token>'"],
    [{ OUTBOX_RELAY_REGISTRY_HEADERS: 'target-sr-cluster=sesame' }, "-H 'target-sr-cluster: <value>'"],
    [
      { SCHEMA_REGISTRY_URL: 'https://registry', OUTBOX_RELAY_REGISTRY_SSL_CA_FILE: "/it's/ca.pem" },
      `--cacert '/it'\\''s/ca.pem'`,
    ],
  ])('has no secret of %j, and says where it belongs', (settings, part) => {
    const command = putLevel(registryOf(settings as Record<string, string>), '/config');
    expect(command).toContain(part);
    expect(command).not.toContain('sesame');
  });
});

describe('advice', () => {
  const none = (subject: string, isOwn = false): SubjectLevel => ({ subject, level: 'NONE', isOwn });
  const advise = (levels: Levels) => levelAdvice(registryOf(), levels);

  test('at NONE of the registry names the subjects, at most five, and sets the level of the registry', () => {
    const subjects = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((subject) => none(subject));
    const advice = advise({ registry: 'NONE', subjects });
    expect(advice?.explanation).toContain('nothing for a, b, c, d, e and 2 other subjects (level NONE)');
    expect(advice?.remedy).toMatch(/http:\/\/registry:8081\/config$/);
  });

  test('is given where no subject is concerned yet', () => {
    const own: SubjectLevel = { subject: 'a', level: 'FULL', isOwn: true };
    expect(advise({ registry: 'NONE', subjects: [own] })?.explanation).toContain(
      'subjects without a level of their own',
    );
  });

  test('at NONE of a subject alone sets that of the subject', () => {
    const advice = advise({ registry: 'BACKWARD', subjects: [none('a/b', true)] });
    expect(advice?.remedy).toMatch(/^Set a level for it: .* http:\/\/registry:8081\/config\/a%2Fb$/);
  });

  test('is not needed at a level, nor where a registry that says NONE was seen to refuse', () => {
    const hidden: SubjectLevel = { subject: 'a', level: 'UNKNOWN', isOwn: false };
    expect(advise({ registry: 'FULL', subjects: [] })).toBeUndefined();
    // `b` has no version yet, so nothing could be judged there.
    expect(advise({ registry: 'NONE', subjects: [hidden, none('b')] })).toBeUndefined();
  });
});
