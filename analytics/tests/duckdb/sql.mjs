// The database, and literals.
import { DuckDBInstance } from "@duckdb/node-api";

/** A text as a literal. */
export const text = (value) => `'${value.replaceAll("'", "''")}'`;

/** A moment in milliseconds as a literal. */
export const moment = (ms) => `epoch_ms(${ms})`;

/** An empty DuckDB in memory, which fetches nothing from anywhere. */
export async function open() {
  const settings = { autoinstall_known_extensions: "false", autoload_known_extensions: "false" };
  const instance = await DuckDBInstance.create(":memory:", settings);
  const connection = await instance.connect();

  async function rows(sql) {
    try {
      return (await connection.runAndReadAll(sql)).getRowObjectsJson();
    } catch (cause) {
      throw new Error(`DuckDB refused ${sql}`, { cause });
    }
  }
  return {
    rows,
    /** The only value of the only row: a number. */
    number: async (sql) => Number(Object.values((await rows(sql))[0])[0]),
    table: (name, sql) => rows(`CREATE OR REPLACE TEMP TABLE ${name} AS ${sql}`),
  };
}
