// `/docs/try` (Swagger UI) in a real browser: it keeps nothing, asks nobody else, and breaks no policy of its own.
// Prints outcomes, one line of JSON each. Given a directory, the page as it looks goes there.

import { accessibility, checks, insist, isNothing, kept, open } from "./browser.mjs";

const { URL: url, KEY: key } = process.env;
const [, , directory] = process.argv;
const { browser, context, page, foreign, complaints } = await open();
const check = checks("try");

/** What axe finds in Swagger UI 5.35.0 and we do not mend: the vendor's own markup. */
const VENDORS = ["color-contrast", "heading-order", "nested-interactive", "region", "select-name"];

await page.goto(`${url}/docs/try`);
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
  const found = await kept(page, context);
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

if (directory) await page.screenshot({ path: `${directory}/try.png` });

await check("asks nobody but the service", async () => insist(foreign.length === 0, foreign));

await check("breaks no rule of its own policy", async () => {
  const broken = complaints.filter((text) => text.includes("Content Security Policy") || text.includes("Error:"));
  insist(broken.length === 0, broken);
});

await check("axe finds nothing but what is the vendor's", async () => {
  await page.goto(`${url}/docs/try`);
  await page.waitForSelector(".opblock");
  const found = (await accessibility(page)).filter(({ id }) => !VENDORS.includes(id));
  insist(found.length === 0, found);
});

await browser.close();
