// What the walks through the portal and the console share: the browser, the facts, axe, and how outcomes are told.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const facts = JSON.parse(readFileSync(0, "utf8"));
export const SIZES = { desktop: { width: 1280, height: 860 }, phone: { width: 360, height: 740 } };
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const browser = await chromium.launch({
  executablePath: facts.executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

export async function check(name, run) {
  let problem = null;
  try {
    await run();
  } catch (error) {
    problem = String(error.message ?? error).slice(0, 900);
  }
  console.log(JSON.stringify({ name, problem }));
}

export function insist(holds, otherwise) {
  if (!holds) throw new Error(typeof otherwise === "string" ? otherwise : JSON.stringify(otherwise));
}

/** A browser of its own, which notes what is asked of others than `url`, and what it complains about. */
export async function fresh(url, options = {}) {
  const context = await browser.newContext({ viewport: SIZES.desktop, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.seen = { foreign: [], complaints: [] };
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && request.url() !== "data:,") page.seen.foreign.push(request.url());
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !/40[14]|422/.test(message.text())) page.seen.complaints.push(message.text());
  });
  return page;
}

export async function judge(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => window.axe.run({ runOnly: { type: "tag", values } }), RULES);
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")}`);
  insist(said.length === 0, said.join("\n"));
}

/** Has axe look at each page, and measures that none is wider than the screen; gives what is wrong. */
export async function judgeAll(page, base, paths, nameOf) {
  const problems = [];
  for (const path of paths) {
    await page.goto(`${base}${path}`);
    await shoot(page, nameOf(path));
    await page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
    await judge(page).catch((error) => problems.push(`${path}: ${error.message}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) problems.push(`${path} is ${wide} pixels too wide`);
  }
  return problems;
}

export async function shoot(page, name) {
  if (facts.screenshots) await page.screenshot({ path: `${facts.screenshots}/${name}.png`, fullPage: true });
}

/** Moves the focus to what has this text, by the tab key; on the way everything shows that it has it. */
export async function reach(page, name, times = 80) {
  for (let i = 0; i < times; i += 1) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate(() => {
      const it = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(it);
      const text = (it.textContent || it.labels?.[0]?.textContent || "").trim();
      return { text, seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 };
    });
    insist(here.seen, `${here.text} has the focus and does not show it`);
    if (here.text === name) return;
  }
  throw new Error(`${name} is not reached`);
}

/** What pages weigh with their style, and how long the first paint takes beside that of a page of one word. */
export async function weigh(page, base, paths) {
  let [largest, slowest] = [0, 0];
  for (const path of paths) {
    const { bytes, paint } = await opened(page, `${base}${path}`);
    const size = await page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name !== "data:,").length);
    insist(size <= 1, `${path} asks for ${size} things`);
    largest = Math.max(largest, bytes);
    slowest = Math.max(slowest, paint);
  }
  const least = (await opened(page, new URL("/livez", base).href)).paint;
  const weight = (largest / 1024).toFixed(1);
  console.log(JSON.stringify({ note: `largest page with its style ${weight} KiB, slowest first paint ${Math.round(slowest)} ms, of a bare answer ${Math.round(least)} ms` }));
  insist(largest < 60 * 1024, `${largest} bytes`);
  // A debug build on a machine that does other things at the same time takes longer than it is to be.
  insist(slowest < 4 * FIRST_PAINT_MS, `${Math.round(slowest)} ms`);
}

/** Opens a page a few times: its bytes, and the median of its first paints. */
async function opened(page, url) {
  const [bytes, paints] = [[], []];
  for (let turn = 0; turn < 5; turn += 1) {
    bytes.push(await load(page, url));
    paints.push(await firstPaint(page));
  }
  return { bytes: Math.max(...bytes), paint: paints.sort((one, other) => one - other)[2] };
}

/** Within this a page is to be painted. */
const FIRST_PAINT_MS = 100;

/** Opens a page; gives the bytes that came. */
async function load(page, url) {
  let bytes = 0;
  const count = async (response) => { bytes += (await response.body()).length; };
  page.on("response", count);
  await page.goto(url, { waitUntil: "load" });
  page.off("response", count);
  await page.waitForTimeout(60);
  return bytes;
}

function firstPaint(page) {
  return page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
}
