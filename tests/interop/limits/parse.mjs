// Structured fields, one a line on standard input, as JSON lines: [[value, {parameter: value}], ..].
import { createInterface } from "node:readline";
import { parseList } from "structured-headers";

for await (const line of createInterface({ input: process.stdin })) {
  const items = parseList(line).map(([value, parameters]) => [value, Object.fromEntries(parameters)]);
  console.log(JSON.stringify(items));
}
