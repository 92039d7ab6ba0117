// node out/client.js URL ADMIN_TOKEN SUPPORT_TOKEN: what a front end does, on the demo fleet. The first difference is an error.
import assert from "node:assert/strict";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, type TypedDocumentNode } from "@apollo/client";
import type { DocumentNode } from "graphql";
import { relayStylePagination } from "@apollo/client/utilities";
import * as operations from "./operations.js";
import * as playground from "./playground.js";

const [url, admin, support] = process.argv.slice(2);
assert(url && admin && support, "usage: node client.js URL ADMIN_TOKEN SUPPORT_TOKEN");

/** A client with an empty cache, set up as Apollo's manual says for Relay connections. */
function connect(token?: string): ApolloClient {
  const pages = relayStylePagination(["filter", "orderBy"]);
  return new ApolloClient({
    link: new HttpLink({ uri: url, headers: token ? { authorization: `Bearer ${token}` } : {} }),
    cache: new InMemoryCache({
      typePolicies: { Query: { fields: { sims: pages, devices: pages, customers: pages } } },
    }),
  });
}

function say(text: string): void {
  console.log(`client: ${text}`);
}

function isMutation(document: DocumentNode): boolean {
  return document.definitions.some((it) => it.kind === "OperationDefinition" && it.operation === "mutation");
}

/** Fragments of the examples are documents, too. */
function isOperation(document: DocumentNode): boolean {
  return document.definitions.some((it) => it.kind === "OperationDefinition");
}

/** Runs what the playground offers, with the defaults that a reader gets. */
async function examples(): Promise<void> {
  const offered = Object.entries(playground).filter(([, document]) => isOperation(document as DocumentNode));
  for (const [name, document] of offered) {
    const operation = document as TypedDocumentNode<Record<string, unknown>>;
    const client = connect(admin);
    const run = isMutation(operation) ? client.mutate({ mutation: operation }) : client.query({ query: operation });
    const { data } = await run.catch((cause: unknown) => {
      throw new Error(`${name} failed`, { cause });
    });
    assert(data, `${name} has no data`);
    for (const [field, value] of Object.entries(data)) assert.notEqual(value, null, `${name}: ${field} is null`);
  }
  say(`${offered.length} examples of the playground answered without an error`);
}

type Page = {
  totalCount: number | null;
  edges: { node: { id: string } }[];
  pageInfo: operations.PositionFragment;
};
type PageVariables = { first?: number; after?: string | null; last?: number; before?: string | null };

/** Reads a list to its end into Apollo's cache, as an endless page does, and returns the ids that the cache then holds. */
async function ids<Data>(
  query: TypedDocumentNode<Data, PageVariables>,
  page: (data: Data) => Page | null,
  size: number,
  backward: boolean,
): Promise<string[]> {
  const client = connect(admin);
  const variables: PageVariables = backward ? { last: size } : { first: size };
  const list = client.watchQuery<Data, PageVariables>({ query, variables });
  const watching = list.subscribe(() => {});
  await list.refetch();
  for (let rows = 0; ; ) {
    const data = client.readQuery({ query, variables });
    const cached = data && page(data);
    assert(cached && cached.edges.length > rows, "a page that was announced brought nothing");
    const { totalCount, edges, pageInfo } = cached;
    if (backward ? pageInfo.hasPreviousPage : pageInfo.hasNextPage) {
      rows = edges.length;
      const next: PageVariables = backward ? { before: pageInfo.startCursor } : { after: pageInfo.endCursor };
      await list.fetchMore({ variables: next });
      continue;
    }
    watching.unsubscribe();
    const found = edges.map((edge) => edge.node.id);
    assert.equal(found.length, totalCount, "totalCount is not what paging returns");
    assert.equal(new Set(found).size, found.length, "a row came twice");
    return found;
  }
}

/** A list is the same read from its begin and from its end. */
async function paged<Data>(
  name: string,
  query: TypedDocumentNode<Data, PageVariables>,
  page: (data: Data) => Page | null,
  size: number,
): Promise<void> {
  const forward = await ids(query, page, size, false);
  assert.deepEqual(await ids(query, page, size, true), forward, `${name}: the two directions differ`);
  assert(forward.length > size, `${name}: one page holds all, so nothing was paged`);
  say(`${name}: ${forward.length} rows in pages of ${size}, none twice, the same in both directions, as totalCount says`);
}

async function numbers(): Promise<void> {
  const input: operations.UsageInput = {
    period: { between: { from: "2020-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" } },
    groupBy: [{ dimension: "CUSTOMER" }],
  };
  const { data } = await connect(admin).query({ query: operations.UsageByCustomerDocument, variables: { input } });
  const usage = data?.usage;
  assert(usage && !usage.truncated, "usage by customer is not whole");
  for (const measure of ["bytesTotal", "records"] as const) {
    const sum: bigint = usage.rows.reduce((sum, row) => sum + BigInt(row.values[measure] ?? 0), 0n);
    assert.equal(String(sum), usage.totals[measure], `${measure} of the customers is not that of the tenant`);
    assert(sum > 0n, "the demo fleet has no usage");
  }
  say(`usage by customer adds up to ${usage.totals.bytesTotal} bytes, the total`);
}

/** A form: what is typed wrongly is named by the field of the input, and what is saved is in the cache at once. */
async function form(): Promise<void> {
  const client = connect(admin);
  const create = async (input: operations.CreateCustomerInput) => {
    const { data } = await client.mutate({ mutation: operations.CreateCustomerDocument, variables: { input } });
    assert(data?.createCustomer, "createCustomer has no payload");
    return data.createCustomer;
  };
  const update = async (input: operations.UpdateCustomerInput) => {
    const { data } = await client.mutate({ mutation: operations.UpdateCustomerDocument, variables: { input } });
    assert.deepEqual(data?.updateCustomer?.userErrors, []);
  };
  const refused = async (input: operations.CreateCustomerInput, code: operations.ErrorCode, ...fields: string[]) => {
    const { customer, userErrors } = await create(input);
    assert.equal(customer, null, "a refused customer was made");
    assert.deepEqual(userErrors.map((error) => [error.code, error.field]), fields.map((field) => [code, field]));
  };

  const { customer } = await create({ slug: "form", name: "Form & Söhne 🚀", email: "a@b.example", phone: "+49 30 1" });
  assert(customer, "no customer was made");
  await refused({ slug: "form", name: "Other" }, "CONFLICT", "slug");
  await refused({ slug: "other", name: customer.name }, "CONFLICT", "name");
  await refused({ slug: "Not a slug", name: "Other" }, "INVALID_INPUT", "slug");
  await refused({ slug: "other", name: "", email: "nobody" }, "INVALID_INPUT", "name", "email");

  const query = operations.CustomerByIdDocument;
  const variables = { id: customer.id };
  await client.query({ query, variables });
  await update({ customerId: customer.id, email: null });
  const expected = { __typename: "Customer", ...customer, email: null };
  assert.deepEqual(client.readQuery({ query, variables })?.node, expected, "the cache did not take the change");
  const fetched = await client.query({ query, variables, fetchPolicy: "network-only" });
  assert.deepEqual(fetched.data?.node, expected, "null clears, absent stays, and node says so");
  say("a form: errors name their field, null clears, absent stays, and the cache follows a change by id");
}

/** What comes as an error has the code of the contract and what else a program can use. */
async function errors(): Promise<void> {
  const fails = async (request: Promise<unknown>, code: operations.ErrorCode, more: Record<string, unknown> = {}) => {
    const error = await request.then(() => assert.fail(`${code} was expected`), (error: unknown) => error);
    assert(CombinedGraphQLErrors.is(error), `${code} was expected: ${error}`);
    assert.equal(error.errors.length, 1);
    const { requestId, ...rest } = error.errors[0]?.extensions ?? {};
    assert.match(String(requestId), /^[0-9a-f]{32}$/);
    assert.deepEqual(rest, { code, ...more });
  };
  const sims = (token: string | undefined, variables: operations.SimPageQueryVariables) =>
    connect(token).query({ query: operations.SimPageDocument, variables });
  const variables = { input: { slug: "other", name: "Other" } };
  await fails(connect(support).mutate({ mutation: operations.CreateCustomerDocument, variables }), "FORBIDDEN");
  await fails(sims(undefined, {}), "UNAUTHENTICATED");
  await fails(sims("nonsense", {}), "UNAUTHENTICATED");
  await fails(sims(admin, { after: "nonsense" }), "INVALID_CURSOR", { field: "after" });
  await fails(sims(admin, { filter: { ids: ["nonsense"] } }), "INVALID_INPUT", { field: "filter.ids" });
  const tooLong = { field: "filter.search", limit: 200, actual: 201 };
  await fails(sims(admin, { filter: { search: "7".repeat(201) } }), "LIMIT_EXCEEDED", tooLong);
  // @ts-expect-error The generated types know the states; a client in JavaScript gets as far as the server.
  await fails(sims(admin, { filter: { states: ["NONSENSE"] } }), "INVALID_INPUT", { field: "filter.states.0" });
  say("errors: a client tells them apart by code, and each names its request");
}

await examples();
await paged("sims", operations.SimPageDocument, (data) => data.sims, 150);
await paged("devices", operations.DevicePageDocument, (data) => data.devices, 150);
await paged("customers", operations.CustomerPageDocument, (data) => data.customers, 2);
await numbers();
await form();
await errors();
