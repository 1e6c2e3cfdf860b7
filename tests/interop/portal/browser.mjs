// The portal as people have it: judged by axe, walked by keyboard and without scripts, weighed and timed. Then the console.
// Prints outcomes, one line of JSON each.
import { SIZES, browser, check, facts, fresh, insist, judge, judgeAll, reach, shoot, weigh } from "./house.mjs";

const PAGES = [
  "", "/keys", "/keys?all=1", `/keys/${facts.keyId}`, "/secrets", "/public-keys", `/public-keys/${facts.uniqueId}`,
  "/queues", "/queues/users", "/events", `/events/${facts.event}`, "/reports", "/audit", "/snippets", "/nothing",
];
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
  const page = await fresh(facts.url, options);
  await page.goto(await link(role));
  await page.getByRole("button", { name: "Open the portal" }).click();
  await page.waitForURL(`${facts.url}/portal`);
  return page;
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

// axe keeps a renderer busy: a page of each size at a time.
for (const scheme of ["light", "dark"]) {
  await Promise.all(Object.entries(SIZES).map(async ([size, viewport]) => {
    await check(`axe finds nothing on any page, ${scheme}, ${size}`, async () => {
      const page = await enter("admin", { viewport, colorScheme: scheme });
      const nameOf = (path) => `${scheme}-${size}${path.replace(/[/?=]/g, "-").replace(/-[0-9a-f]{8}-.*|-evt_.*/, "-one")}`;
      const problems = await judgeAll(page, `${facts.url}/portal`, PAGES, nameOf);
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
  }));
}

await check("a key is rotated and confirmed by keyboard alone", async () => {
  const page = await enter("admin");
  await page.keyboard.press("Tab");
  insist((await page.evaluate(() => document.activeElement.textContent)) === "Skip to the content", "no skip link");
  await page.keyboard.press("Enter");
  insist((await page.evaluate(() => document.activeElement.id)) === "main", "it skips to nowhere");
  await page.goto(`${facts.url}/portal/keys`);
  await reach(page, "nightly import");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/portal\/keys\/[0-9a-f-]+$/);
  await reach(page, "Rotate this key");
  await page.keyboard.press("Enter");
  await reach(page, "Rotate the key");
  await page.keyboard.press("Enter");
  await page.getByText("The key is rotated").waitFor();
  const secret = await page.locator("output").innerText();
  insist(/^tk_test_[0-9A-Za-z]{49}$/.test(secret), secret);
  await shoot(page, "light-desktop-secret");
  await judge(page);
  // Loading it again sends the form again: nothing is made, and unless it was a double click nothing is shown.
  await page.waitForTimeout(3_000);
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
  await reach(page, "Confirm the rotation");
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
  await weigh(page, `${facts.url}/portal`, PAGES);
  await page.context().close();
});

await import("./console.mjs");
await browser.close();
