// A headless Chromium that tells what it was asked to load, what it complained about, and what it keeps.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { URL: url, CHROMIUM: executablePath } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A browser with one page; `foreign` and `complaints` fill as it is used. */
export async function open(options = {}) {
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  const [foreign, complaints] = [[], []];
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) foreign.push(request.url());
  });
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { browser, context, page, foreign, complaints };
}

/** Runs checks whose names begin with `part`; prints outcomes, one line of JSON each. */
export function checks(part) {
  return async (name, run) => {
    let problem = null;
    try {
      await run();
    } catch (error) {
      problem = String(error.message ?? error).slice(0, 500);
    }
    console.log(JSON.stringify({ name: `${part}: ${name}`, problem }));
  };
}

export function insist(holds, otherwise) {
  if (!holds) throw new Error(typeof otherwise === "string" ? otherwise : JSON.stringify(otherwise));
}

/** Everything that a browser would still have tomorrow. */
export async function kept(page, context) {
  const stores = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: (await indexedDB.databases()).map(({ name }) => name),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
  }));
  return { ...stores, cookies: await context.cookies() };
}

export function isNothing({ local, session, databases, caches, workers, cookies }) {
  const counts = [local, session].map((store) => Object.keys(store).length);
  return [...counts, databases.length, caches.length, workers, cookies.length].every((count) => count === 0);
}

/** What axe has to say of the page as it is now: rules that are broken, and the first place of each. */
export async function accessibility(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, impact, nodes }) => ({ id, impact, count: nodes.length, first: nodes[0].html.slice(0, 120) }));
  });
}
