// The rows of a stream of Arrow as JSON, every value as text: for tests that read it with another library than the one that wrote it.
import { readFileSync } from "node:fs";
import { DataType, tableFromIPC } from "apache-arrow";

/** A decimal of 128 bits, which Arrow's JavaScript gives as four words, the lowest first. */
function decimal(words, scale) {
    const bits = words.reduceRight((bits, word) => (bits << 32n) | BigInt(word), 0n);
    const value = BigInt.asIntN(128, bits);
    if (scale === 0) return value.toString();
    const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
    return `${value < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function text(value, type) {
    if (value === null) return null;
    if (DataType.isDecimal(type)) return decimal(value, type.scale);
    // The library gives moments in milliseconds, with those of microseconds as a fraction.
    if (DataType.isTimestamp(type)) return String(Math.floor(value));
    return String(value);
}

const table = tableFromIPC(readFileSync(process.argv[2]));
const { fields } = table.schema;
const rows = [];
for (const row of table) rows.push(Object.fromEntries(fields.map(({ name, type }) => [name, text(row[name], type)])));
process.stdout.write(JSON.stringify({ head: JSON.parse(table.schema.metadata.get("simcube")), types: fields.map(({ type }) => String(type)), rows }));
