// The rows of a query as JSON: for tests that read files with another engine than the one that wrote them.
import { open } from "./sql.mjs";

const { rows } = await open();
process.stdout.write(JSON.stringify(await rows(process.argv[2])));
