// The page of SIMs for the two servers that run resolvers: three prepared statements, one for each kind of object, however
// many rows a page has.
import DataLoader from 'dataloader';
import pg from 'pg';
import { connections } from './serve.mjs';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: connections, min: connections, idleTimeoutMillis: 0 });
const tenant = process.env.TENANT;

// A statement with a name is prepared once on each connection.
const select = (name, text) => async (...values) => (await pool.query({ name, text, values: [tenant, ...values] })).rows;

// The number of rows is part of the text: as a parameter it would be unknown to a plan that is kept.
const sims = (after, count) =>
  select(
    `sims-${count}`,
    `SELECT sim_id AS id, iccid, imsi, msisdn, state, customer_id FROM sim
      WHERE tenant_id = $1 AND iccid > $2 ORDER BY iccid LIMIT ${count}`,
  )(after);
const customers = select(
  'customers',
  'SELECT customer_id AS id, name FROM customer WHERE tenant_id = $1 AND customer_id = ANY($2)',
);
const labels = select(
  'labels',
  `SELECT l.sim_id, d.key, l.value FROM sim_label l JOIN label_definition d USING (tenant_id, label_id)
    WHERE l.tenant_id = $1 AND l.sim_id = ANY($2)`,
);

async function customersByIds(ids) {
  const found = new Map((await customers(ids)).map(customer => [customer.id, customer]));
  return ids.map(id => found.get(id) ?? null);
}

async function labelsBySims(ids) {
  const found = new Map(ids.map(id => [id, []]));
  for (const label of await labels(ids)) found.get(label.sim_id).push(label);
  return ids.map(id => found.get(id));
}

/** Loaders live as long as a request. */
export const context = () => ({
  customers: new DataLoader(customersByIds),
  labels: new DataLoader(labelsBySims),
});

export const typeDefs = /* GraphQL */ `
  type Query { sims(first: Int!, after: String): SimConnection! }
  type SimConnection { nodes: [Sim!]!, pageInfo: PageInfo! }
  type PageInfo { hasNextPage: Boolean!, endCursor: String }
  type Sim { id: ID!, iccid: String!, imsi: String, msisdn: String, state: String!, customer: Customer, labels: [Label!]! }
  type Customer { id: ID!, name: String! }
  type Label { key: String!, value: String! }
`;

export const resolvers = {
  Query: {
    async sims(_, { first, after }) {
      const nodes = await sims(after ?? '', first + 1);
      const hasNextPage = nodes.length > first;
      if (hasNextPage) nodes.pop();
      return { nodes, pageInfo: { hasNextPage, endCursor: nodes.at(-1)?.iccid } };
    },
  },
  Sim: {
    customer: (sim, _, { customers }) => sim.customer_id && customers.load(sim.customer_id),
    labels: (sim, _, { labels }) => labels.load(sim.id),
  },
};
