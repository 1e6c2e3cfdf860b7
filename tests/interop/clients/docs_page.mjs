// `/docs` in a real browser: it keeps nothing, asks nobody else, and breaks no policy of its own.
// Prints outcomes, one line of JSON each. With --screenshot FILE the page as it looks.

import { chromium } from "playwright-core";

const { URL: url, KEY: key, CHROMIUM: executablePath } = process.env;
const shot = process.argv[process.argv.indexOf("--screenshot") + 1];

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
const page = await context.newPage();
const foreign = [];
const complaints = [];
page.on("request", (request) => {
  if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) foreign.push(request.url());
});
page.on("console", (message) => {
  if (message.type() === "error") complaints.push(message.text());
});
page.on("pageerror", (error) => complaints.push(String(error)));

async function check(name, run) {
  let problem = null;
  try {
    await run();
  } catch (error) {
    problem = String(error.message ?? error).slice(0, 500);
  }
  console.log(JSON.stringify({ name: `docs: ${name}`, problem }));
}

function insist(holds, otherwise) {
  if (!holds) throw new Error(typeof otherwise === "string" ? otherwise : JSON.stringify(otherwise));
}

/** Everything that a browser would still have tomorrow. */
async function kept() {
  const stores = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: (await indexedDB.databases()).map(({ name }) => name),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
  }));
  return { ...stores, cookies: await context.cookies() };
}

function isNothing({ local, session, databases, caches, workers, cookies }) {
  const counts = [local, session].map((store) => Object.keys(store).length);
  return [...counts, databases.length, caches.length, workers, cookies.length].every((count) => count === 0);
}

await page.goto(`${url}/docs`);
await page.evaluate(() => localStorage.setItem("authorized", "what an earlier release kept"));
await page.reload();
await page.waitForSelector(".opblock");

await check("shows every operation", async () => {
  const document = await (await fetch(`${url}/openapi.json`)).json();
  // What the service sends is shown as well.
  const items = [...Object.values(document.paths), ...Object.values(document.webhooks)];
  const operations = items.reduce((sum, item) => sum + Object.keys(item).length, 0);
  const shown = await page.locator(".opblock").count();
  insist(shown === operations, `${shown} of ${operations}`);
});

await check("takes a key and tries an operation with it", async () => {
  await page.click(".btn.authorize");
  const dialog = page.locator(".modal-ux");
  const names = await dialog.locator("h4").allTextContents();
  insist(["TenantKey", "OrgId", "MemberToken"].every((name) => names.some((text) => text.includes(name))), names);
  const form = dialog.locator(".auth-container", { hasText: "TenantKey" });
  await form.locator("input").fill(key);
  await form.locator("input").press("Enter");
  await dialog.locator(".btn-done").first().click();
  await page.click("#operations-Users-create_user .opblock-summary-control");
  await page.click("#operations-Users-create_user .execute");
  const status = page.locator("#operations-Users-create_user .live-responses-table tbody .response-col_status").first();
  await status.waitFor();
  const code = parseInt(await status.textContent(), 10);
  insist(code === 201 || code === 409, `the example is answered ${code}`);
});

await check("keeps nothing in the browser, and forgets what an earlier release kept", async () => {
  const found = await kept();
  insist(isNothing(found), found);
});

await check("has forgotten the key after it is loaded again", async () => {
  await page.reload();
  await page.waitForSelector(".opblock");
  await page.click("#operations-Users-list_users .opblock-summary-control");
  await page.click("#operations-Users-list_users .execute");
  const status = page.locator("#operations-Users-list_users .live-responses-table tbody .response-col_status").first();
  await status.waitFor();
  insist((await status.textContent()).startsWith("401"), await status.textContent());
});

if (process.argv.includes("--screenshot")) await page.screenshot({ path: shot });

await check("asks nobody but the service", async () => insist(foreign.length === 0, foreign));

await check("breaks no rule of its own policy", async () => {
  const broken = complaints.filter((text) => text.includes("Content Security Policy") || text.includes("Error:"));
  insist(broken.length === 0, broken);
});

await check("the index leads to it", async () => {
  await page.goto(url);
  await page.click("text=/docs");
  await page.waitForSelector(".opblock");
});

await browser.close();
