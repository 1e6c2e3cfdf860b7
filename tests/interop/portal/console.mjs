// The console as the platform's people have it, likewise; by the internal listener.
import { SIZES, check, facts, fresh, insist, judge, judgeAll, reach, shoot, weigh } from "./house.mjs";

const HOME = `${facts.internal}/console`;
const ACME = "/orgs/acme";
const PAGES = [
  "", "/orgs", "/leaks", "/streams", "/streams/orders", "/service", ACME, `${ACME}/standing`, `${ACME}/keys/${facts.keyId}`,
  `${ACME}/public-keys/${facts.uniqueId}`, `${ACME}/queues/users`, `${ACME}/events`, `${ACME}/audit`, "/nothing",
];

async function signIn(page) {
  await page.goto(`${HOME}/login`);
  await page.getByLabel("Platform token").fill(facts.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(HOME);
}

// A network has ten tries a minute: the walks share a session.
let session;
await check("a platform token leads into the console, by a cookie that no script reads", async () => {
  const page = await fresh(facts.internal);
  await signIn(page);
  const [cookie] = await page.context().cookies();
  insist(cookie.httpOnly && cookie.sameSite === "Strict" && cookie.name === "console-local", cookie);
  insist((await page.context().cookies(facts.url)).every(({ name }) => name !== "portal-local"), "it is the portal's");
  session = await page.context().storageState();
  await page.context().close();
});

// As in the portal, a page of each size at a time.
for (const scheme of ["light", "dark"]) {
  await Promise.all(Object.entries(SIZES).map(async ([size, viewport]) => {
    await check(`axe finds nothing on any page of the console, ${scheme}, ${size}`, async () => {
      const page = await fresh(facts.internal, { viewport, colorScheme: scheme, storageState: session });
      const nameOf = (path) => `console-${scheme}-${size}${path.replace(/[/?=]/g, "-").replace(/-[0-9a-f]{8}-.*/, "-one")}`;
      const problems = await judgeAll(page, HOME, PAGES, nameOf);
      // The way in, a token that is none, and a form that is refused.
      await page.goto(`${HOME}${ACME}/standing`);
      await page.getByText("Limit its requests").click();
      await page.getByLabel("It may make").selectOption("own");
      await page.getByLabel("Requests a second").fill("-1");
      await page.getByRole("button", { name: "Set the limit" }).click();
      insist(await page.getByRole("alert").isVisible(), "the refusal is not said");
      await judge(page).catch((error) => problems.push(`refused: ${error.message}`));
      await page.context().clearCookies();
      await page.goto(`${HOME}/login`);
      await judge(page).catch((error) => problems.push(`login: ${error.message}`));
      await shoot(page, `console-${scheme}-${size}-login`);
      if (size === "phone") {
        await page.getByLabel("Platform token").fill("no token");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByText("That is no platform token which lives.").waitFor();
        await judge(page).catch((error) => problems.push(`login, refused: ${error.message}`));
      }
      insist(problems.length === 0, problems.join("\n"));
      insist(page.seen.foreign.length === 0, page.seen.foreign);
      insist(page.seen.complaints.length === 0, page.seen.complaints);
      await page.context().close();
    });
  }));
}

await check("an organisation is found and frozen by keyboard alone", async () => {
  const page = await fresh(facts.internal, { storageState: session });
  await page.goto(`${HOME}/orgs`);
  await reach(page, "Search");
  await page.keyboard.type("zet");
  await page.keyboard.press("Enter");
  await page.waitForURL(/search=zet/);
  await reach(page, "Zeta");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${HOME}/orgs/zeta`);
  await reach(page, "Standing");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${HOME}/orgs/zeta/standing`);
  await reach(page, "Why");
  await page.keyboard.type("a drill");
  await reach(page, "Freeze its administration");
  await page.keyboard.press("Enter");
  await page.getByText("Its administration is frozen").waitFor();
  await page.getByText("a drill").first().waitFor();
  await page.context().close();
});

await check("everything in the console works without scripts", async () => {
  const page = await fresh(facts.internal, { javaScriptEnabled: false });
  await signIn(page);
  const visit = (name) => page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await visit("Organisations");
  await page.getByText("Make an organisation").click();
  await page.getByLabel("Key", { exact: true }).fill("fresh");
  await page.getByLabel("Name", { exact: true }).fill("Fresh Ltd");
  await page.getByRole("button", { name: "Make it" }).click();
  insist((await page.locator("output").innerText()).includes("/v1/claims/claim_"), "no claim");
  await page.getByRole("link", { name: "I have it" }).click();
  await visit("Standing");
  await page.getByLabel("Why").fill("not paid");
  await page.getByRole("button", { name: "Suspend it" }).click();
  await page.getByText("It is suspended").waitFor();
  await page.getByRole("button", { name: "Serve it again" }).click();
  await page.getByText("It is served again.").waitFor();
  await page.getByText("Recover it from a thief").click();
  await page.getByRole("button", { name: "Recover it" }).click();
  await page.getByText("The organisation is its owner's again").waitFor();
  await shoot(page, "console-light-desktop-recovered");
  await page.getByRole("link", { name: "I have it" }).click();
  await page.getByRole("button", { name: "Thaw it" }).click();
  await page.getByText("It may be changed again.").waitFor();
  await page.getByText("Make a link to its portal").click();
  await page.getByLabel("For whom").fill("support:ada");
  await page.getByRole("button", { name: "Make a link" }).click();
  // Another origin, without a word of where it was made.
  await page.getByRole("link", { name: "Open it here" }).click();
  await page.getByRole("button", { name: "Open the portal" }).click();
  await page.getByText("support:ada").waitFor();
  await page.goto(`${HOME}/orgs/fresh/audit`);
  await page.getByText("portal_session.created").first().waitFor();
  await page.getByRole("button", { name: "Leave" }).click();
  await page.getByText("You have left the console").waitFor();
  await page.goto(HOME);
  await page.getByText("You are not signed in").waitFor();
  await page.context().close();
});

await check("pages of the console are light and painted at once", async () => {
  const page = await fresh(facts.internal, { storageState: session });
  await weigh(page, HOME, PAGES);
  await page.context().close();
});
