import assert from 'node:assert/strict';
import { test } from 'node:test';

import { broken } from './growth.mjs';

const published = `
  type Query { sims(first: Int): [Sim!] }
  type Sim { id: ID! iccid: String! colour: String @deprecated(reason: "2026-01-01: nobody knows it") usage: UsageRow }
  type UsageRow { records: Int }
  input UsageInput { from: Int }
  enum State { ACTIVE OLD @deprecated(reason: "2026-01-01: use ACTIVE") }
  input Filter { state: State }
`;

test('additions are fine', () => {
  const grown = published.replace('iccid: String!', 'iccid: String! imsi: String').replace('first: Int', 'first: Int, filter: Filter');
  assert.deepEqual(broken(published, grown), []);
});

test('what was deprecated may go, and what is not stable may change', () => {
  const less = published.replace(/colour: String @deprecated\([^)]*\)/, '').replace(/OLD @deprecated\([^)]*\)/, '').replace('records: Int', 'bytes: Int').replace('from: Int', 'period: Int!');
  assert.deepEqual(broken(published, less), []);
});

for (const [what, from, to] of [
  ['a field that goes', 'iccid: String!', ''],
  ['a field of another type', 'iccid: String!', 'iccid: Int!'],
  ['a field that may be null now', 'iccid: String!', 'iccid: String'],
  ['an enum value that goes', 'ACTIVE', 'AWAKE'],
  ['a new input field that has to be given', 'state: State', 'state: State name: String!'],
  ['an argument that goes', '(first: Int)', ''],
]) {
  test(`${what} is refused`, () => assert.equal(broken(published, published.replace(from, to)).length, 1));
}
