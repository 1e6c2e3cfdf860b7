// The portal as people have it: judged by axe, walked by keyboard and without scripts, weighed and timed.
// Prints outcomes, one line of JSON each.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const facts = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = [
  "", "/keys", "/keys?all=1", `/keys/${facts.keyId}`, "/secrets", "/public-keys", `/public-keys/${facts.uniqueId}`,
  "/queues", "/queues/users", "/events", `/events/${facts.event}`, "/reports", "/audit", "/snippets", "/nothing",
];
const SIZES = { desktop: { width: 1280, height: 860 }, phone: { width: 360, height: 740 } };
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const browser = await chromium.launch({
  executablePath: facts.executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

async function check(name, run) {
  let problem = null;
  try {
    await run();
  } catch (error) {
    problem = String(error.message ?? error).slice(0, 900);
  }
  console.log(JSON.stringify({ name, problem }));
}

function insist(holds, otherwise) {
  if (!holds) throw new Error(typeof otherwise === "string" ? otherwise : JSON.stringify(otherwise));
}

async function link(role) {
  const reply = await fetch(`${facts.url}/v1/admin/org/portal-sessions`, {
    method: "POST",
    headers: { "taih-tenant-key": facts.key, "content-type": "application/json" },
    body: JSON.stringify({ actor: { id: "ada", email: "ada@example.com" }, role, return_url: "https://app.example.com/" }),
  });
  const said = await reply.json();
  insist(reply.status === 201, said);
  return said.data.url;
}

/** A browser of its own, inside the portal. */
async function enter(role, options = {}) {
  const context = await browser.newContext({ viewport: SIZES.desktop, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.seen = { foreign: [], complaints: [] };
  page.on("request", (request) => {
    if (!request.url().startsWith(facts.url)) page.seen.foreign.push(request.url());
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("404") && !message.text().includes("422")) {
      page.seen.complaints.push(message.text());
    }
  });
  await page.goto(await link(role));
  await page.getByRole("button", { name: "Open the portal" }).click();
  await page.waitForURL(`${facts.url}/portal`);
  return page;
}

async function judge(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => window.axe.run({ runOnly: { type: "tag", values } }), RULES);
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")}`);
  insist(said.length === 0, said.join("\n"));
}

async function shoot(page, name) {
  if (facts.screenshots) await page.screenshot({ path: `${facts.screenshots}/${name}.png`, fullPage: true });
}

await check("a link leads in, from another site's page as well", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  // 127.0.0.1 is another site than localhost.
  const url = await link("viewer");
  await page.goto(facts.url.replace("localhost", "127.0.0.1"));
  await page.evaluate((to) => { location.href = to; }, url);
  await page.getByRole("button", { name: "Open the portal" }).click();
  await page.waitForURL(`${facts.url}/portal`);
  const [cookie] = await context.cookies();
  insist(cookie.httpOnly && cookie.sameSite === "Strict", cookie);
  await context.close();
});

for (const scheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await check(`axe finds nothing on any page, ${scheme}, ${size}`, async () => {
      const page = await enter("admin", { viewport, colorScheme: scheme });
      const problems = [];
      for (const path of PAGES) {
        await page.goto(`${facts.url}/portal${path}`);
        await shoot(page, `${scheme}-${size}${path.replace(/[/?=]/g, "-").replace(/-[0-9a-f]{8}-.*|-evt_.*/, "-one")}`);
        await page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
        await judge(page).catch((error) => problems.push(`${path}: ${error.message}`));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wide > 0) problems.push(`${path} is ${wide} pixels too wide`);
      }
      // The ways in and out, a refused form, and a secret.
      await page.goto(`${facts.url}/portal/keys`);
      await page.getByText("Make a further key").click();
      await page.getByLabel("Name").fill(`made by ${scheme} ${size}`);
      await page.locator("#f-expires-at").fill("2020-01-01T00:00");
      await page.getByRole("button", { name: "Make the key" }).click();
      insist(await page.getByRole("alert").isVisible(), "the refusal is not said");
      insist((await page.title()).startsWith("Error: "), await page.title());
      await judge(page).catch((error) => problems.push(`refused: ${error.message}`));
      await shoot(page, `${scheme}-${size}-refused`);
      await page.goto(await link("admin"));
      await judge(page).catch((error) => problems.push(`link: ${error.message}`));
      await shoot(page, `${scheme}-${size}-link`);
      insist(problems.length === 0, problems.join("\n"));
      insist(page.seen.foreign.length === 0, page.seen.foreign);
      insist(page.seen.complaints.length === 0, page.seen.complaints);
      await page.context().close();
    });
  }
}

await check("a key is rotated and confirmed by keyboard alone", async () => {
  const page = await enter("admin");
  const reach = async (name, times = 80) => {
    for (let i = 0; i < times; i += 1) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(() => {
        const it = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(it);
        return { text: it.textContent.trim(), seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 };
      });
      insist(here.seen, `${here.text} has the focus and does not show it`);
      if (here.text === name) return;
    }
    throw new Error(`${name} is not reached`);
  };
  await page.keyboard.press("Tab");
  insist((await page.evaluate(() => document.activeElement.textContent)) === "Skip to the content", "no skip link");
  await page.keyboard.press("Enter");
  insist((await page.evaluate(() => document.activeElement.id)) === "main", "it skips to nowhere");
  await page.goto(`${facts.url}/portal/keys`);
  await reach("nightly import");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/portal\/keys\/[0-9a-f-]+$/);
  await reach("Rotate this key");
  await page.keyboard.press("Enter");
  await reach("Rotate the key");
  await page.keyboard.press("Enter");
  await page.getByText("The key is rotated").waitFor();
  const secret = await page.locator("output").innerText();
  insist(/^tk_test_[0-9A-Za-z]{49}$/.test(secret), secret);
  await shoot(page, "light-desktop-secret");
  await judge(page);
  // Loading it again sends the form again: nothing is made, nothing is shown.
  await page.reload();
  insist(!(await page.content()).includes(secret), "it is shown again");
  await page.getByText("That was done already").waitFor();
  await page.goBack();
  insist(!(await page.content()).includes(secret), "it is shown on the way back");
  await page.goto(`${facts.url}/portal`);
  const waiting = page.locator(".timeline li", { hasText: "nightly import" }).filter({ hasText: "waits" });
  await waiting.getByRole("link").focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/portal\/keys\/[0-9a-f-]+$/);
  await reach("Confirm the rotation");
  await page.keyboard.press("Enter");
  await page.getByText("Confirmed: the old key is in its grace window now.").waitFor();
  await page.context().close();
});

await check("everything works without scripts", async () => {
  const page = await enter("admin", { javaScriptEnabled: false });
  const visit = async (name, heading) => {
    await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
  };
  await visit("Signing secrets", "Signing secrets");
  await page.getByText("Rotate the secret").click();
  await page.getByRole("button", { name: "Make the new secret" }).click();
  insist((await page.locator("output").innerText()).startsWith("whsec_"), "no secret");
  await visit("Public keys", "Public keys");
  await page.getByText("Register a key").click();
  await page.getByLabel("Or its file").setInputFiles({ name: "key.pem", mimeType: "text/plain", buffer: Buffer.from(facts.publicKey) });
  await page.getByLabel("Ends (UTC)").fill("2027-06-01T00:00");
  await page.getByLabel("Authentication").check();
  await page.getByRole("button", { name: "Register the key" }).click();
  await page.getByText("The key is registered.").waitFor();
  await page.getByRole("button", { name: "Ask for a challenge" }).click();
  await page.getByText("Prove that you hold the private half").waitFor();
  await visit("Queues", "Queues");
  await page.getByRole("link", { name: "users", exact: true }).click();
  await page.getByRole("button", { name: "Pause it" }).click();
  await page.getByText("The queue stands still.").waitFor();
  await page.getByRole("button", { name: "Resume it" }).click();
  await page.getByText("Events are sent again.").waitFor();
  await visit("Events", "Events");
  await page.getByRole("rowheader").first().getByRole("link").click();
  await page.getByRole("button", { name: "Send it again" }).click();
  await page.getByText("1 event is sent again").waitFor();
  await visit("Reports", "Reports");
  await page.getByText("Ask for a report").click();
  await page.getByLabel("On", { exact: true }).selectOption("audit_log");
  await page.getByRole("button", { name: "Ask for it" }).click();
  // The page loads itself again until it is made.
  const fetchIt = page.locator("li", { hasText: "audit_log" }).getByRole("link", { name: "Fetch it" });
  await fetchIt.waitFor({ timeout: 20_000 });
  const download = page.waitForEvent("download");
  await fetchIt.click();
  insist((await download).suggestedFilename().length > 0, "no name");
  await visit("Audit log", "Audit log");
  await page.getByText("in the portal").first().waitFor();
  await page.getByRole("button", { name: "Leave" }).click();
  await page.getByText("You have left the portal").waitFor();
  await page.goto(`${facts.url}/portal`);
  await page.getByText("You are not in the portal").waitFor();
  await page.context().close();
});

await check("no page is shown in another site's frame", async () => {
  const page = await enter("viewer");
  await page.route("http://127.0.0.1:1/", (route) => route.fulfill({
    contentType: "text/html", body: `<iframe src="${facts.url}/portal"></iframe>`,
  }));
  await page.goto("http://127.0.0.1:1/");
  await page.waitForTimeout(500);
  const frame = page.frames().find((each) => each !== page.mainFrame());
  insist(!frame || !(await frame.content()).includes("Overview"), "it is");
  await page.context().close();
});

await check("pages are light and painted at once", async () => {
  const page = await enter("admin");
  let [largest, slowest] = [0, 0];
  for (const path of PAGES) {
    let bytes = 0;
    const count = async (response) => { bytes += (await response.body()).length; };
    page.on("response", count);
    await page.goto(`${facts.url}/portal${path}`, { waitUntil: "load" });
    page.off("response", count);
    await page.waitForTimeout(60);
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
    const size = await page.evaluate(() => performance.getEntriesByType("resource").length);
    insist(size <= 1, `${path} asks for ${size} things`);
    largest = Math.max(largest, bytes);
    slowest = Math.max(slowest, paint);
  }
  const rounded = Math.round(slowest);
  console.log(JSON.stringify({ note: `largest page with its style ${(largest / 1024).toFixed(1)} KiB, slowest first paint ${rounded} ms` }));
  insist(largest < 60 * 1024, `${largest} bytes`);
  // 100 ms is what it is to be; a machine that does other things at the same time takes longer.
  insist(slowest < 400, `${rounded} ms`);
  await page.context().close();
});

await browser.close();
