// Prints the sha512 integrity of a file as npm writes it: node engines/integrity.mjs FILE
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

const hash = createHash("sha512");
for await (const chunk of createReadStream(process.argv[2])) hash.update(chunk);
console.log("sha512-" + hash.digest("base64"));
