// The sheets of a workbook as JSON: for tests that read it with a library that is neither ours nor the language's that wrote it.
//
// A cell is null or has its type: a text, a number as its digits in the file, a flag, or a moment in milliseconds.
import readWorkbook from "read-excel-file/node";

class Digits {
  constructor(text) {
    this.text = text;
  }
}

function cell(value) {
  if (value === null) return null;
  if (typeof value === "string") return { text: value };
  if (typeof value === "boolean") return { flag: value };
  if (value instanceof Digits) return { number: value.text };
  if (value instanceof Date) return { moment: value.getTime() };
  throw new Error(`a cell of another kind: ${value}`);
}

const sheets = await readWorkbook(process.argv[2], { trim: false, parseNumber: (text) => new Digits(text) });
const rows = ({ sheet, data }) => [sheet, data.map((row) => row.map(cell))];
process.stdout.write(JSON.stringify(sheets.map(rows)));
