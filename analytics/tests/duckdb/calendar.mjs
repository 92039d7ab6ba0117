// What is meant by periods, by the one before, and by buckets of time.
//
// All of it is looked up in the table `wall`: what the clocks of a zone show at each quarter of an hour, the steps in which they are
// set. Moments and local times are milliseconds here; a local time is what UTC would have to be for its clock to show the same.
import { moment, text } from "./sql.mjs";

const QUARTER = 15 * 60_000;
const DAY = 86_400_000;
const HOUR = 3_600_000;

/** Widths of buckets, the finest first. */
const GRAINS = ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
const PARTS = { HOUR_OF_DAY: "HOUR", DAY_OF_WEEK: "DAY", DAY_OF_MONTH: "DAY", MONTH_OF_YEAR: "MONTH" };
const WIDE = ["MONTH", "QUARTER", "YEAR"];

/** Of each bucket its first moment. An hour of the clock ends when the clock is set. */
const bucket = (grain) => {
  const set = grain === "HOUR" ? ", local - instant" : "";
  return `min(instant) OVER (PARTITION BY date_trunc('${grain}', local)${set}) AS "${grain}"`;
};

/** The zone's part of `wall`; years that no question comes near need not be there. */
const wall = (zone) => `
  SELECT *, ${GRAINS.map(bucket).join(", ")},
    hour(local) AS "HOUR_OF_DAY", isodow(local) AS "DAY_OF_WEEK", day(local) AS "DAY_OF_MONTH", month(local) AS "MONTH_OF_YEAR"
  FROM (
    SELECT instant, timezone(${text(zone)}, timezone('UTC', instant)) AS local
    FROM generate_series(TIMESTAMP '2022-01-01', TIMESTAMP '2033-01-01', INTERVAL 15 MINUTE) AS _(instant)
  )`;

const floor = (ms, step) => Math.floor(ms / step) * step;

/** The same day of the month, that many months earlier; the day after where that month is too short. */
function monthsBefore(date, months) {
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  const there = new Date(Date.UTC(year, month - months, day));
  const exists = there.getUTCDate() === day;
  return { date: exists ? there.getTime() : Date.UTC(year, month - months + 1, 1), exists };
}

/** How finely groups tell moments apart; nothing if none is of time. */
function finest(groups) {
  const grains = groups.flatMap((group) => group.time ?? PARTS[group.time_part] ?? []);
  const [grain] = grains.sort((a, b) => GRAINS.indexOf(a) - GRAINS.indexOf(b));
  // Weeks don't make up months.
  return grain === "WEEK" && grains.length > 1 ? "DAY" : grain;
}

export class Calendar {
  #db;

  constructor(db, zone) {
    this.#db = db;
    this.table = `"wall ${zone}"`;
  }

  /** The calendar of a zone, from those that were made before. */
  static async of(db, zone, made) {
    if (!made.has(zone)) {
      made.set(zone, new Calendar(db, zone));
      await db.table(made.get(zone).table, wall(zone));
    }
    return made.get(zone);
  }

  async #local(ms) {
    const start = floor(ms, QUARTER);
    const shown = await this.#db.number(`SELECT epoch_ms(local) FROM ${this.table} WHERE instant = ${moment(start)}`);
    return shown + (ms - start);
  }

  /** The first moment at which the clock shows this; where it never does, the first one after. */
  async #moment(local) {
    return this.#db.number(`
      SELECT epoch_ms(min(CASE WHEN local > ${moment(local)} THEN instant ELSE instant + (${moment(local)} - local) END))
      FROM ${this.table} WHERE local + INTERVAL 15 MINUTE > ${moment(local)}`);
  }

  async #date(ms) {
    return floor(await this.#local(ms), DAY);
  }

  async #startsDay(ms) {
    return ms === (await this.#moment(await this.#date(ms)));
  }

  /** The bucket around a moment. */
  async #bucket(grain, ms) {
    const [{ start, end }] = await this.#db.rows(`
      WITH this AS (SELECT "${grain}" AS start FROM ${this.table} WHERE instant = ${moment(floor(ms, QUARTER))})
      SELECT epoch_ms(start) AS start,
        (SELECT epoch_ms(min(instant)) FROM ${this.table} WHERE "${grain}" > start) AS end FROM this`);
    return [Number(start), Number(end)];
  }

  async #preset(preset, now) {
    const days = async (count) => {
      const today = await this.#date(now);
      return [await this.#moment(today - (count - 1) * DAY), await this.#moment(today + DAY)];
    };
    const [which, what] = preset.split("_");
    switch (preset) {
      case "LAST_24_HOURS": {
        const [, to] = await this.#bucket("HOUR", now);
        return [to - 24 * HOUR, to];
      }
      case "LAST_7_DAYS":
        return days(7);
      case "LAST_30_DAYS":
        return days(30);
    }
    const running = await this.#bucket(what, now);
    return which === "THIS" ? running : this.#bucket(what, running[0] - 1);
  }

  /** The period that a question means. */
  async period({ period, group_by }, now) {
    const moving = meant(period, now);
    if (moving) return this.#preset(moving.preset, moving.at);
    const [from, to] = [period.between.from, period.between.to].map(Date.parse);
    if (period.between.align === "EXACT") return [from, to];
    const grain = finest(group_by);
    if (!grain) return [floor(from, HOUR), -floor(-to, HOUR)];
    return [(await this.#bucket(grain, from))[0], (await this.#bucket(grain, to - 1))[1]];
  }

  /** How far back a period is compared: `{months}`, `{days}` or `{ms}`. */
  async distance(comparison, [from, to]) {
    if (comparison === "PREVIOUS_YEAR") return { months: 12 };
    if (!((await this.#startsDay(from)) && (await this.#startsDay(to)))) return { ms: to - from };
    const [first, last] = [await this.#date(from), await this.#date(to)].map((day) => new Date(day));
    if (first.getUTCDate() === 1 && last.getUTCDate() === 1) {
      const years = last.getUTCFullYear() - first.getUTCFullYear();
      return { months: years * 12 + last.getUTCMonth() - first.getUTCMonth() };
    }
    return { days: (last - first) / DAY };
  }

  async #back(ms, distance) {
    if (distance.ms !== undefined) return ms - distance.ms;
    const local = await this.#local(ms);
    const day = floor(local, DAY);
    const time = (await this.#startsDay(ms)) ? 0 : local - day;
    if (distance.days !== undefined) return this.#moment(day - distance.days * DAY + time);
    const { date, exists } = monthsBefore(new Date(day), distance.months);
    return this.#moment(exists ? date + time : date);
  }

  /** The period that one is compared with; of one that runs, as much as has passed. */
  async earlier({ period }, [from, to], distance, now) {
    const moving = meant(period, now);
    const runs = moving && (moving.preset.startsWith("THIS") || /\d/.test(moving.preset));
    const until = runs ? (await this.#bucket("HOUR", moving.at))[1] : to;
    return [await this.#back(from, distance), await this.#back(until, distance)];
  }
}

/** A preset and when it is meant: now, or at the moment that the question names. */
function meant({ preset, preset_at }, now) {
  if (preset) return { preset, at: now };
  return preset_at && { preset: preset_at.preset, at: Date.parse(preset_at.at) };
}

/** Of a moment in `wall` the value of a group of time, as a text that sorts as it does; nothing for another group. */
export function timeKey({ time, time_part }) {
  if (time) return `strftime("${time}", '%Y-%m-%dT%H:%M:%SZ')`;
  return time_part && `lpad("${time_part}"::VARCHAR, 2, '0')`;
}

/**
 * How earlier usage finds its partner in the period: `found`, an expression over `start` and what the clock showed then (`local`),
 * equals `at`, one over `wall`. Null: it has none. `isExact`: the partner is a moment, and not a whole day or month.
 */
export function partnership(groups, distance) {
  const times = groups.filter((group) => timeKey(group));
  if (times.length === 0) return { at: "0", found: "0" };
  const quarter = (sql) => `time_bucket(INTERVAL 15 MINUTE, ${sql})`;
  if (distance.ms !== undefined)
    return { at: "instant", found: quarter(`start + to_milliseconds(${distance.ms})`), isExact: true };
  const months = `INTERVAL ${distance.months} MONTH`;
  if (distance.months && times.every((group) => WIDE.includes(group.time ?? PARTS[group.time_part])))
    return { at: "date_trunc('month', local)", found: `date_trunc('month', local) + ${months}` };
  // DuckDB makes the last day of a month of one that it doesn't have.
  const later = (sql) => {
    if (distance.days) return `${sql} + INTERVAL ${distance.days} DAY`;
    return `CASE WHEN day(${sql} + ${months}) = day(${sql}) THEN ${sql} + ${months} END`;
  };
  if (finest(groups) === "HOUR") return { at: "local", found: quarter(later("local")), isExact: true };
  return { at: "date_trunc('day', local)", found: later("date_trunc('day', local)") };
}
