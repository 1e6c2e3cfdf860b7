// Outcomes, one line of JSON each, for walk.py to count.

declare const process: { env: Record<string, string | undefined>; exitCode?: number };

export function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

export async function check(name: string, run: () => Promise<void>): Promise<void> {
  let problem: string | null = null;
  try {
    await run();
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  console.log(JSON.stringify({ name, problem }));
}

export function insist(holds: boolean, otherwise: unknown): asserts holds {
  if (!holds) throw new Error(typeof otherwise === "string" ? otherwise : JSON.stringify(otherwise));
}

/** Lines of JSON, as the bulk route takes them. */
export function users(count: number): { ids: Set<string>; lines: string } {
  const ids = new Set(Array.from({ length: count }, () => crypto.randomUUID()));
  return { ids, lines: [...ids].map((user_id) => JSON.stringify({ user_id })).join("\n") };
}
