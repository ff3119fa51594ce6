import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CountedXids } from '../../../../relay/audit/standing/counted-xids.ts';

const xid = fc.bigInt({ min: 1_000n, max: 1_400n });

test('has what was added and everything below its base, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(xid), fc.array(xid), xid, xid, (first, second, one, two) => {
      const [base, later] = one < two ? [one, two] : [two, one];
      const counted = new CountedXids(base);
      for (const each of first) counted.add(each);
      const next = counted.from(later);
      for (const each of second) next.add(each);
      for (let each = 990n; each <= 1_410n; each++) {
        expect(counted.has(each)).toBe(each < base || first.includes(each));
        expect(next.has(each)).toBe(each < later || first.includes(each) || second.includes(each));
      }
      expect(new CountedXids(next.base, next.bits).has(later)).toBe(next.has(later));
    }),
    { numRuns: 30 },
  );
});
