/** What waits for the parked key `p`, as a condition on `letter`. */
export const waits = `letter.slot = p.slot and letter.topic = p.topic and letter.aggregateid = p.key
  and hashtextextended(letter.aggregateid, 0) = hashtextextended(p.key, 0) and letter.status in ('open', 'parked')
  and letter.system_identifier = p.system_identifier and (letter.commit_lsn, letter.ordinal) >= (p.commit_lsn, p.ordinal)`;
