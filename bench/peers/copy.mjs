// DuckDB beside Simcube: reads the rows of a Parquet file into a table, then writes them for each line that it is told.
import { createInterface } from "node:readline";
import { DuckDBInstance } from "@duckdb/node-api";

const [from, to] = process.argv.slice(2);
const connection = await (await DuckDBInstance.create(":memory:")).connect();
await connection.run(`CREATE TABLE records AS SELECT * FROM read_parquet('${from}')`);
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
    const started = process.hrtime.bigint();
    const { rows } = await connection
        .runAndReadAll(`COPY records TO '${to}' (FORMAT parquet, COMPRESSION zstd)`)
        .then((answer) => ({ rows: answer.getRows()[0][0] }));
    console.log(`${rows} ${Number(process.hrtime.bigint() - started) / 1e9}`);
}
