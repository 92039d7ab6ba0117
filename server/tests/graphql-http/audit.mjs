// node audit.mjs URL TOKEN: every audit of GraphQL over HTTP, each of which must be ok.
import { auditServer } from "graphql-http";

const EXPECTED = 61;
const [url, token] = process.argv.slice(2);
if (!url || !token) {
  console.error("usage: node audit.mjs URL TOKEN");
  process.exit(2);
}

const fetchFn = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });

const results = await auditServer({ url, fetchFn });
const failed = results.filter((result) => result.status !== "ok");
for (const { id, name, status, reason } of failed) console.error(`${id} ${status}: ${name}: ${reason}`);
console.log(`GraphQL over HTTP: ${results.length - failed.length} of ${results.length} audits ok`);
if (failed.length > 0 || results.length !== EXPECTED) process.exit(1);
