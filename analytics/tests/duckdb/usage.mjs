// The records as a table `usage`, and which of them a question is about. What is absent has a text that no value has.
import { text } from "./sql.mjs";

/** Sorts after every other id. */
const HIDDEN_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";
/** Of anything else. */
const HIDDEN = "?";
const IDS = ["CUSTOMER", "SIM", "DEVICE", "SIM_CUSTOMER_NOW"];

/** Columns of the records: identities are texts and moments have no zone. */
const RECORD = {
  tenant: "VARCHAR", customer: "VARCHAR", sim: "VARCHAR", device: "VARCHAR",
  network: "VARCHAR", rat: "VARCHAR", service: "VARCHAR", source: "VARCHAR",
  start: "TIMESTAMP", bytes_up: "UBIGINT", bytes_down: "UBIGINT", units: "UBIGINT", sign: "TINYINT", received_at: "TIMESTAMP",
};
/** What is known of a SIM or a device today. */
const INVENTORY = { need: "VARCHAR", label: "VARCHAR", id: "VARCHAR", word: "VARCHAR" };
const NETWORK = { network: "VARCHAR", country: "VARCHAR" };

/** Writes what Simcube's test left as Parquet, and reads the usage from there. */
export async function load(db, folder) {
  for (const [name, columns] of Object.entries({ records: RECORD, inventory: INVENTORY, networks: NETWORK })) {
    const [json, parquet] = ["ndjson", "parquet"].map((kind) => text(`${folder}/${name}.${kind}`));
    const types = Object.entries(columns).map(([column, type]) => `"${column}": '${type}'`);
    await db.rows(`
      COPY (SELECT * FROM read_json(${json}, format = 'newline_delimited', columns = {${types.join(", ")}}))
      TO ${parquet} (FORMAT parquet)`);
    await db.rows(`CREATE VIEW ${name} AS SELECT * FROM ${parquet}`);
  }
  const now = (need, absent) =>
    `coalesce((SELECT nullif(word, '${HIDDEN}') FROM inventory WHERE need = '${need}' AND id = sim), '${absent}')`;
  await db.table("usage", `
    SELECT tenant, start, received_at, sim AS "SIM", network AS "NETWORK", rat AS "RADIO_ACCESS_TYPE", service AS "SERVICE",
      source AS "STREAM", coalesce(country, '') AS "COUNTRY", coalesce(customer, '') AS "CUSTOMER", coalesce(device, '') AS "DEVICE",
      ${now("SIM_STATE", HIDDEN)} AS "SIM_STATE", ${now("SIM_CUSTOMER", HIDDEN_ID)} AS "SIM_CUSTOMER_NOW",
      ${now("SIM_DEVICE", HIDDEN_ID)} AS "SIM_DEVICE_NOW",
      bytes_up::HUGEINT * sign AS up, bytes_down::HUGEINT * sign AS down, units::HUGEINT * sign AS units, sign::HUGEINT AS records
    FROM records LEFT JOIN networks USING (network)`);
}

/** The column of a dimension. */
function column(dimension, attribution) {
  const isNow = attribution === "CURRENT" && ["CUSTOMER", "DEVICE"].includes(dimension);
  return isNow ? `"SIM_${dimension}_NOW"` : `"${dimension}"`;
}

const plain = (key) => (key === "none" ? "" : key.id ?? key.text);
const list = (values) => `(${["NULL", ...values.map(text)].join(", ")})`;
const isIn = (sql, values) => `coalesce(${sql} IN ${list(values)}, false)`;

/** Who sees a part of the fleet is told of ids of then only those that it may see now; the rest is one. */
function inSight(dimension, id, segment) {
  if (!segment || id !== `"${dimension}"` || !["CUSTOMER", "SIM", "DEVICE"].includes(dimension)) return id;
  const customers = segment.within ? [segment.within] : segment.customers;
  const seen =
    dimension === "CUSTOMER" ? list(customers) : `(SELECT id FROM inventory WHERE need = 'VISIBLE_${dimension}')`;
  return `CASE WHEN ${id} = '' OR ${id} IN ${seen} THEN ${id} ELSE '${HIDDEN_ID}' END`;
}

/** What a group that is not one of time is called in the rows. Who sees a part of the fleet knows what of it has no label, and the rest is hidden. */
export function groupKey({ dimension, sim_label, device_label }, { query: { attribution }, segment }) {
  if (dimension) return inSight(dimension, column(dimension, attribution), segment);
  const [need, label, id] =
    sim_label === undefined
      ? ["DEVICE_LABEL", device_label, column("DEVICE", attribution)]
      : ["SIM_LABEL", sim_label, `"SIM"`];
  const word = `(SELECT '=' || word FROM inventory WHERE need = '${need}' AND label = ${text(label)} AND id = ${id})`;
  if (!segment) return `coalesce(${word}, '')`;
  return `CASE WHEN ${word} = '=' OR ${id} = '' THEN '' ELSE coalesce(${word}, '${HIDDEN}') END`;
}

/** A key in the words of Simcube's answers. */
export function spelt(group, key) {
  if (group.time) return { moment: key };
  if (group.time_part) return { number: Number(key) };
  if (!group.dimension && key.startsWith("=")) return { text: key.slice(1) };
  if (!group.dimension) return key === "" ? "none" : "hidden";
  if (!IDS.includes(group.dimension)) {
    return group.dimension === "SIM_STATE" && key === HIDDEN ? "hidden" : { text: key };
  }
  if (key === HIDDEN_ID) return "hidden";
  return key === "" ? "none" : { id: key };
}

/** `and`, `or` and `not`, which all trees of conditions have; `undefined` for a condition. */
export function joined(tree, part) {
  const parts = (word, none) => (tree[word].length ? `(${tree[word].map(part).join(` ${word} `)})` : none);
  if (tree.and) return parts("and", "true");
  if (tree.or) return parts("or", "false");
  if (tree.not) return `(NOT ${part(tree.not)})`;
}

/** The objects that meet a filter of the inventory. */
function matching(kind, filter) {
  const { states, label, saved, ...others } = filter;
  if (Object.keys(others).length) throw new Error(`a filter of the inventory that is not known here: ${JSON.stringify(filter)}`);
  if (saved) return `SELECT id FROM inventory WHERE need = 'SAVED' AND label = ${text(saved)}`;
  if (states) return `SELECT id FROM inventory WHERE need = '${kind}_STATE' AND word IN ${list(states)}`;
  const values = label.values ? `AND word IN ${list(label.values)}` : "";
  return `SELECT id FROM inventory WHERE need = '${kind}_LABEL' AND label = ${text(label.key)} ${values}`;
}

function filtered(filter, attribution) {
  const inner = joined(filter, (part) => filtered(part, attribution));
  if (inner) return inner;
  if (filter.sim) return `"SIM" IN (${matching("SIM", filter.sim)})`;
  if (filter.device) return `${column("DEVICE", attribution)} IN (${matching("DEVICE", filter.device)})`;
  return isIn(column(filter.in.dimension, attribution), filter.in.values.map(plain));
}

/** What a caller may see: all of a tenant, or a segment of it. */
export function seen({ tenant, segment }) {
  const ofTenant = `tenant = ${text(tenant)}`;
  if (!segment) return ofTenant;
  const { within, customers, sims, devices } = segment;
  const granted = [["CUSTOMER", customers], ["SIM", sims], ["DEVICE", devices]].filter(([, ids]) => ids.length);
  if (!within && !granted.length) return "false";
  const parts = [ofTenant];
  if (within) parts.push(`"CUSTOMER" = ${text(within)}`);
  if (granted.length) parts.push(`(${granted.map(([dimension, ids]) => isIn(`"${dimension}"`, ids)).join(" OR ")})`);
  return parts.join(" AND ");
}

/** What a question is about, whenever it was: the caller's, of the parent, through the filter. */
export function about({ query, parents, ...caller }, parent) {
  const parts = [seen(caller)];
  if (parents) parts.push(isIn(column(parents, query.attribution), [plain(parent)]));
  if (query.filter) parts.push(filtered(query.filter, query.attribution));
  return parts.join(" AND ");
}
