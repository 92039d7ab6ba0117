// node check.mjs FOLDER: answers of the cubes, computed again by another engine.
//
// The folder has the records, what SIMs and devices are today, and networks, of which Parquet files are made; and questions with
// Simcube's answers. Each question is answered from the Parquet files alone, by SQL that follows what the contract says a question means
// and shares nothing with the planner. Every difference is printed, and any is a failure.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { Answer } from "./answer.mjs";
import { Calendar } from "./calendar.mjs";
import { open } from "./sql.mjs";
import { load } from "./usage.mjs";

/** Where an answer is not what it should be. */
function differences(simcube, duckdb) {
  const found = [];
  const compare = (what, one, other) => {
    if (isDeepStrictEqual(one, other)) return;
    const [said, computed] = [one, other].map((value) => JSON.stringify(value ?? null));
    found.push(`${what}: Simcube ${said}, DuckDB ${computed}`);
  };
  for (const part of ["period", "watermark", "totals", "previous_totals", "truncated"]) compare(part, simcube[part], duckdb[part]);
  const rows = Math.max(simcube.rows.length, duckdb.rows.length);
  for (let place = 0; place < rows; place++) compare(`row ${place}`, simcube.rows[place], duckdb.rows[place]);
  return found;
}

/** A question; integers that a double does not hold stay texts. */
const read = (line) => JSON.parse(line.replace(/(?<=:)-?\d{16,}(?=[,}])/g, '"$&"'));

const [folder] = process.argv.slice(2);
const questions = readFileSync(`${folder}/questions.ndjson`, "utf8").trimEnd().split("\n").map(read);
const db = await open();
await load(db, folder);
const calendars = new Map();
let [answers, rows, wrong] = [0, 0, 0];
for (const question of questions) {
  const calendar = await Calendar.of(db, question.query.time_zone, calendars);
  for (const { parent, ...simcube } of question.answers) {
    const duckdb = await new Answer(db, calendar, question, parent).whole();
    answers += 1;
    rows += duckdb.rows.length;
    const found = differences(simcube, duckdb);
    if (!found.length) continue;
    wrong += 1;
    const { answers: _, ...asked } = question;
    console.log(`${JSON.stringify({ ...asked, parent })}\n  ${found.join("\n  ")}`);
  }
}
console.log(`duckdb: ${questions.length} questions, ${answers} answers with ${rows} rows computed again, ${wrong} answers differ`);
process.exitCode = wrong || !answers ? 1 : 0;
