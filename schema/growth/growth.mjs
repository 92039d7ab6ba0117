// How a contract may grow: by additions. What is taken away was deprecated in the published contract.

import { buildSchema, findBreakingChanges } from 'graphql';

/** Types that are published, but not for good yet: the language of usage questions is still being made. */
const UNSTABLE = /^(Usage|Cube|TopNetwork|Provenance|(Attribution|BetweenInput|Comparison|Grain|PeriodInput|TimePart|TrafficShare)$)/;

/**
 * The type, and the field or value, that a change is about: `Sim.iccid was removed.`, `A was removed from enum type B.`,
 * `A required field a on input type B was added.`
 */
function place(change) {
  const value = /^(\w+) was removed from enum type (\w+)\.$/.exec(change.description);
  if (value) return { type: value[2], member: value[1] };
  const added = /^A required \w+ (\w+) on (?:input type )?(\w+)/.exec(change.description);
  if (added) return { type: added[2], member: added[1] };
  const [type, member] = (/\w+(\.\w+)?/.exec(change.description)?.[0] ?? '').split('.');
  return { type, member };
}

function wasDeprecated(schema, { type, member }) {
  const found = schema.getType(type);
  const members = found?.getFields?.() ?? Object.fromEntries((found?.getValues?.() ?? []).map((value) => [value.name, value]));
  return members[member]?.deprecationReason != null;
}

/** What clients of the `published` contract would trip over in the `current` one, a sentence each. */
export function broken(published, current) {
  const before = buildSchema(published);
  return findBreakingChanges(before, buildSchema(current))
    .filter((change) => !UNSTABLE.test(place(change).type))
    .filter((change) => !(/was removed/.test(change.description) && wasDeprecated(before, place(change))))
    .map((change) => change.description);
}
