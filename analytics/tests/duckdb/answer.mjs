// The answer to a question, step by step: filter, group, top, fill, having, order, offset, limit. Each step is a table.
import { partnership, timeKey } from "./calendar.mjs";
import { moment } from "./sql.mjs";
import { about, groupKey, joined, seen, spelt } from "./usage.mjs";

const MOST_ROWS = 10_000;
const SUMS = ["up", "down", "units", "records"];
const STATES = [...SUMS, "sims"];
const CLOSED_WITH_SIMS = ["ACTIVE_SIMS", "AVERAGE_BYTES_PER_SIM"];
const COMPARATORS = { gt: ">", gte: ">=", lt: "<", lte: "<=", eq: "=" };

/** Hundredths, rounded half up; none of nothing. */
const average = (of, per) => `CASE WHEN ${per} > 0 THEN (${of} * 200 + ${per}) // (${per} * 2) END`;

/** A quantity, made of states. */
function quantity(measure, state = (name) => name) {
  const total = `(${state("up")} + ${state("down")})`;
  switch (measure) {
    case "BYTES_UP": return state("up");
    case "BYTES_DOWN": return state("down");
    case "BYTES_TOTAL": return total;
    case "RECORDS": return state("records");
    case "UNITS": return state("units");
    case "ACTIVE_SIMS": return state("sims");
    case "AVERAGE_BYTES_PER_SIM": return average(total, state("sims"));
    case "AVERAGE_BYTES_PER_RECORD": return average(total, state("records"));
  }
  throw new Error(`a measure that is not known here: ${measure}`);
}

/** A condition on a row; unknown where a quantity is. */
function passing(having) {
  const inner = joined(having, passing);
  if (inner) return inner;
  const { by: measure, comparator, bound } = having.measure;
  const places = measure.startsWith("AVERAGE") ? 1 : 100;
  // A bound has two decimal places: without its point it is hundredths.
  const hundredths = bound.replace(".", "");
  return `(${quantity(measure)} * ${places} ${COMPARATORS[comparator]} '${hundredths}'::HUGEINT)`;
}

const columns = (...lists) => lists.flat().join(", ");

/** Sums of a table by these keys, each SIM counted once; without keys a single row. */
function summed(source, keys, prefix = "") {
  const inner = SUMS.map((state) => `sum(${state}) AS ${state}`);
  const outer = SUMS.map((state) => `coalesce(sum(${state}), 0) AS ${prefix}${state}`);
  return `
    SELECT ${columns(keys, outer, `count(*) FILTER (records > 0) AS ${prefix}sims`)}
    FROM (SELECT ${columns(keys, `"SIM"`, inner)} FROM ${source} GROUP BY ${columns(keys, `"SIM"`)})
    ${keys.length ? `GROUP BY ${columns(keys)}` : ""}`;
}

/** Groups without records are none. */
const grouped = (source, keys) => `SELECT * FROM (${summed(source, keys)}) WHERE records != 0`;

export class Answer {
  constructor(db, calendar, question, parent) {
    const { query, sees_sims } = question;
    Object.assign(this, { db, calendar, question, parent, query });
    this.groups = query.group_by.map((group, place) => ({ group, key: `k${place}`, time: timeKey(group) }));
    this.keys = this.groups.map(({ key }) => key);
    this.timeKeys = this.groups.filter(({ time }) => time).map(({ key }) => key);
    this.otherKeys = this.groups.filter(({ time }) => !time).map(({ key }) => key);
    this.measures = query.measures.filter((measure) => sees_sims || !CLOSED_WITH_SIMS.includes(measure));
  }

  async whole() {
    const { db, query } = this;
    await this.#usage();
    const [whole] = await db.rows(`
      SELECT ${this.#quantities()} FROM (${summed("this", [])}), (${summed("earlier", [], "p_")})`);
    const totals = this.#row(whole, [], false);
    const answer = {
      period: this.period.map((ms) => new Date(ms).toISOString().replace(".000", "")),
      watermark: (await db.rows(`SELECT strftime((${this.#newest()}), '%Y-%m-%dT%H:%M:%S.%gZ') AS newest`))[0].newest,
      totals: totals.values,
      previous_totals: totals.previous,
    };
    if (!this.keys.length) return { ...answer, truncated: false, rows: [totals] };
    await this.#candidates();
    await this.#order();
    const beyond = await db.number(`SELECT count(*) FROM ordered WHERE place > ${this.last}`);
    const rows = [...(await this.#shown()), ...(query.others ? await this.#others() : [])];
    return { ...answer, truncated: beyond > 0, rows };
  }

  /**
   * `slot`: the period's quarters of an hour with its groups of time; `this` and `earlier`: usage of the period, and of the one before by
   * the keys of its partners.
   */
  async #usage() {
    const { db, calendar, query, question } = this;
    const now = Date.parse(question.now);
    this.period = await calendar.period(query, now);
    const [from, to] = this.period.map(moment);
    const times = this.groups.filter(({ time }) => time).map(({ time, key }) => `${time} AS ${key}`);
    await db.table("slot", `
      SELECT ${columns("*", times)}, greatest(instant, ${from}) AS begins
      FROM ${calendar.table} WHERE instant + INTERVAL 15 MINUTE > ${from} AND instant < ${to}`);

    const others = this.groups.filter(({ time }) => !time);
    const keys = others.map(({ group, key }) => `${groupKey(group, question)} AS ${key}`);
    const clock = columns("start", "instant", "start - instant AS past", "local + (start - instant) AS local");
    const used = (from, to) => `
      SELECT ${columns("0 AS one", `"SIM"`, SUMS, keys, clock)}
      FROM usage JOIN ${calendar.table} ON instant = time_bucket(INTERVAL 15 MINUTE, start)
      WHERE start >= ${moment(from)} AND start < ${moment(to)} AND ${about(question, this.parent)}`;
    const kept = columns("one", `"SIM"`, SUMS, this.keys);
    await db.table("this", `SELECT ${kept} FROM (${used(...this.period)}) JOIN slot USING (instant)`);
    if (!query.compare_to) return db.table("earlier", `SELECT *, true AS has_partner FROM this WHERE false`);

    const distance = await calendar.distance(query.compare_to, this.period);
    const earlier = await calendar.earlier(query, this.period, distance, now);
    const { at, found, isExact } = partnership(query.group_by, distance);
    const inside = isExact ? `AND begins_at + past >= ${from} AND begins_at + past < ${to}` : "";
    await db.table("earlier", `
      SELECT ${kept}, partner IS NOT NULL AS has_partner
      FROM (SELECT *, ${found} AS found FROM (${used(...earlier)})) used
      LEFT JOIN (
        SELECT DISTINCT ON (partner) ${columns(`${at} AS partner`, "instant AS begins_at", this.timeKeys)}
        FROM slot ORDER BY partner, instant
      ) ON found = partner ${inside}`);
  }

  #newest() {
    return `SELECT max(received_at) FROM usage WHERE ${seen(this.question)}`;
  }

  /** `candidate`: what may become a row; `is_kept`: among the largest; `passes`: `having` holds. */
  async #candidates() {
    const { db, query } = this;
    await db.table("groups", grouped("this", this.keys));
    let isKept = "true";
    if (query.top) {
      const key = `k${query.top.group}`;
      await db.table("best", `
        FROM (${grouped("this", [key])}) ORDER BY ${quantity(query.top.by)} DESC NULLS LAST, ${key} LIMIT ${query.top.n}`);
      isKept = `${key} IN (SELECT ${key} FROM best)`;
    }
    await db.table("candidate", `
      SELECT *, coalesce(${query.having ? passing(query.having) : "true"}, false) AS passes
      FROM (SELECT *, ${isKept} AS is_kept FROM groups UNION ALL BY NAME ${this.#filled(isKept)})`);
  }

  /** Buckets without usage, of every key that occurs. */
  #filled(isKept) {
    const { query } = this;
    const value = query.fill === "ZERO" ? "0" : "NULL";
    const states = STATES.map((state) => `${value} AS ${state}`);
    const filled = (from) => `SELECT ${columns(this.keys, states)}, true AS is_kept FROM ${from}`;
    if (query.fill === "NONE" || !this.timeKeys.length) return filled("groups WHERE false");
    const occurring = this.otherKeys.length ? `(${grouped("this", this.otherKeys)})` : "(SELECT 1)";
    const due = `
      SELECT ${columns(this.timeKeys)} FROM slot GROUP BY ALL
      HAVING min(begins) <= (SELECT date_trunc('second', (${this.#newest()})))`;
    return filled(`(FROM ${occurring} CROSS JOIN (${due}) WHERE ${isKept}) ANTI JOIN groups USING (${columns(this.keys)})`);
  }

  /** `ordered`: the rows with their places, from 1; `shown`: those that the answer has. */
  async #order() {
    const { db, query, question } = this;
    const orders = query.order_by.map(({ by, descending }) => {
      const sql = by.measure ? quantity(by.measure) : `k${by.group}`;
      return `${sql} ${descending ? "DESC" : "ASC"} NULLS LAST`;
    });
    await db.table("ordered", `
      SELECT *, row_number() OVER (ORDER BY ${columns(orders, this.keys)}) AS place FROM candidate WHERE is_kept AND passes`);
    // Rows of all others count as the others do: beside the largest of a group there may be one of each time.
    const times = columns("1", this.timeKeys);
    const beside = query.top && query.others ? await db.number(`SELECT count(*) FROM (SELECT DISTINCT ${times} FROM slot)`) : 0;
    const limit = query.limit ?? Math.floor(MOST_ROWS / question.answers.length) - query.offset - beside;
    this.last = query.offset + limit;
    await db.table("shown", `FROM ordered WHERE place > ${query.offset} AND place <= ${this.last}`);
  }

  async #shown() {
    const earlier = summed("(FROM earlier WHERE has_partner)", this.keys, "p_");
    const found = await this.db.rows(`
      SELECT ${columns(this.keys, this.#quantities())}
      FROM shown LEFT JOIN (${earlier}) USING (${columns(this.keys)}) ORDER BY place`);
    return found.map((row) => this.#row(row, this.keys, false));
  }

  /**
   * All that passes and is not shown, and earlier usage that stands beside nothing: neither beside a row nor beside what does not pass.
   * Of the largest there is one of each time.
   */
  async #others() {
    const { db, query } = this;
    const using = `USING (${columns(this.keys)})`;
    await db.table("rest", `FROM this SEMI JOIN (FROM candidate ANTI JOIN shown ${using} WHERE passes AND records != 0) ${using}`);
    await db.table("left_over", `
      FROM earlier SEMI JOIN (
        FROM (${grouped("(FROM earlier WHERE has_partner)", this.keys)})
        ANTI JOIN shown ${using} ANTI JOIN (FROM candidate WHERE NOT passes) ${using}
      ) ${using} WHERE has_partner`);
    const times = query.top ? this.timeKeys : [];
    const by = ["one", ...times];
    const none = (state) => `coalesce(${state}, 0)`;
    const found = await db.rows(`
      SELECT ${columns(times, this.#quantities(none))}
      FROM (${summed("rest", by)}) FULL JOIN (${summed("left_over", by, "p_")}) USING (${columns(by)}) ORDER BY ${columns(by)}`);
    return found.map((row) => this.#row(row, times, true));
  }

  /** What is asked for, of the period and of the one before. */
  #quantities(now) {
    const before = (state) => `coalesce(p_${state}, 0)`;
    return this.measures.flatMap((measure) => [
      `(${quantity(measure, now)})::VARCHAR AS "${measure}"`,
      `(${quantity(measure, before)})::VARCHAR AS "previous ${measure}"`,
    ]);
  }

  #row(found, keys, others) {
    const values = (prefix) =>
      Object.fromEntries(this.query.measures.map((measure) => [measure, found[`${prefix}${measure}`] ?? null]));
    return {
      keys: this.groups.map(({ group, key }) => (keys.includes(key) ? spelt(group, found[key]) : null)),
      others,
      values: values(""),
      previous: this.query.compare_to ? values("previous ") : null,
    };
  }
}
