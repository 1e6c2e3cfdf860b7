// `/docs` and `/errors` in a real browser: found by search, with samples that run, in the dark and on a phone, read by
// axe, without a script, a request elsewhere or anything kept. Prints outcomes, one line of JSON each.

import { execFileSync } from "node:child_process";
import { accessibility, checks, insist, isNothing, kept, open } from "./browser.mjs";

const { URL: url, KEY: key, PYTHON: python } = process.env;
const [, , directory] = process.argv;
const { browser, context, page, foreign, complaints } = await open();
const check = checks("docs");
const document = await (await fetch(`${url}/openapi.json`)).json();
const operations = [...Object.values(document.paths), ...Object.values(document.webhooks)].flatMap((item) => Object.values(item));
const LARGEST = 60 * 1024;

await check("the index leads to it, and it to every operation and message", async () => {
  await page.goto(url);
  await page.click("text=/docs");
  const links = await page.locator("nav a").evaluateAll((all) => all.map((one) => one.getAttribute("href")));
  const wanted = operations.map(({ operationId }) => `/docs/${operationId}`);
  insist(links.length === wanted.length && wanted.every((link) => links.includes(link)), `${links.length} of ${wanted.length}`);
});

await check("a search finds an operation by its name, and by an error that it may answer", async () => {
  for (const [typed, found] of [["rotate tenant", "rotate_tenant_key"], ["ambiguous_tenant_key", "rotate_tenant_key"]]) {
    await page.goto(`${url}/docs`);
    await page.fill("input[type=search]", typed);
    await page.press("input[type=search]", "Enter");
    await page.waitForURL(/q=/);
    const links = await page.locator("main .entries a").evaluateAll((all) => all.map((one) => one.getAttribute("href")));
    insist(links.includes(`/docs/${found}`), { typed, links });
  }
  const typed = '"><script>alert(1)</script>';
  await page.goto(`${url}/docs?q=${encodeURIComponent(typed)}`);
  insist((await page.inputValue("input[type=search]")) === typed, await page.inputValue("input[type=search]"));
});

/** The samples of an operation, by language, as they are copied. */
async function samples(id) {
  await page.goto(`${url}/docs/${id}`);
  const blocks = await page.locator("details.sample").evaluateAll((all) =>
    all.map((one) => [one.querySelector("summary").textContent, one.querySelector("code").textContent]));
  return Object.fromEntries(blocks);
}

/** What a sample prints, pasted as it stands. */
function ran(language, code) {
  const runners = {
    curl: ["bash", ["-c", code.replace("curl ", "curl -fsS ")]],
    Python: [python, ["-c", code]],
    JavaScript: ["node", ["--input-type=module", "-e", code]],
  };
  const [program, argumentsOf] = runners[language];
  const env = { PATH: process.env.PATH, URL: url, TENANT_API_KEY: key };
  return execFileSync(program, argumentsOf, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

await check("a sample shows in three languages, one at a time", async () => {
  const languages = Object.keys(await samples("create_user"));
  insist(languages.join() === "curl,Python,JavaScript", languages);
  const open = page.locator("details.sample[open] summary");
  insist((await open.allTextContents()).join() === "curl", await open.allTextContents());
  await page.click("summary:text-is('Python')");
  insist((await open.allTextContents()).join() === "Python", await open.allTextContents());
});

for (const id of ["list_features", "get_org", "list_tenant_keys", "list_users", "list_queues", "list_events", "create_tenant_key"]) {
  for (const language of ["curl", ...(python ? ["Python"] : []), "JavaScript"]) {
    await check(`the sample of ${id} in ${language} runs as it stands`, async () => {
      const printed = ran(language, (await samples(id))[language]);
      insist(/data/.test(printed), printed);
    });
  }
}

await check("axe finds nothing on any page, light or dark", async () => {
  const paths = ["/docs", "/docs?q=key", "/errors", ...operations.map(({ operationId }) => `/docs/${operationId}`)];
  const found = [];
  for (const [at, path] of paths.entries()) {
    await page.emulateMedia({ colorScheme: at % 2 ? "dark" : "light" });
    await page.goto(url + path);
    // What is folded is looked at as well.
    await page.locator("details:not([name])").evaluateAll((all) => all.forEach((one) => (one.open = true)));
    found.push(...(await accessibility(page)).map((one) => ({ path, ...one })));
  }
  insist(found.length === 0, found);
});

await check("it follows the reader's dark mode", async () => {
  const paper = () => page.evaluate(() => getComputedStyle(globalThis.document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  insist(light === "rgb(255, 255, 255)" && (await paper()) === "rgb(13, 17, 23)", [light, await paper()]);
});

await check("on a phone nothing is wider than the screen", async () => {
  await page.setViewportSize({ width: 360, height: 700 });
  for (const path of ["/docs", "/docs/rotate_tenant_key", "/docs/create_queue", "/docs/on_user_created", "/errors"]) {
    await page.goto(url + path);
    const width = await page.evaluate(() => globalThis.document.documentElement.scrollWidth);
    insist(width <= 360, `${path}: ${width}`);
  }
  await page.setViewportSize({ width: 1200, height: 900 });
});

await check("the keyboard gets past the navigation at once", async () => {
  await page.goto(`${url}/docs/create_user`);
  await page.keyboard.press("Tab");
  insist((await page.locator(":focus").textContent()) === "Skip to the content", "another first stop");
  await page.keyboard.press("Enter");
  insist(page.url().endsWith("#content"), page.url());
});

await check("every page is small, and there at once", async () => {
  const paints = [];
  for (const path of ["/docs", "/errors", ...operations.map(({ operationId }) => `/docs/${operationId}`)]) {
    const began = performance.now();
    const { length } = await (await fetch(url + path)).text();
    paints.push(performance.now() - began);
    insist(length < LARGEST, `${path}: ${length}`);
  }
  const slowest = Math.max(...paints);
  await page.goto(`${url}/docs/create_user`);
  // It may be noted after the page counts as loaded.
  const paint = await page.evaluate(() => new Promise((resolve) => {
    const found = (entries) => entries.filter(({ name }) => name === "first-contentful-paint").forEach(({ startTime }) => resolve(startTime));
    new PerformanceObserver((list) => found(list.getEntries())).observe({ type: "paint", buffered: true });
  }));
  console.error(`         slowest page ${slowest.toFixed(1)} ms; first paint after ${paint.toFixed(0)} ms`);
  insist(slowest < 500 && paint < 1000, { slowest, paint });
});

await check("an error's link leads to its entry", async () => {
  await page.goto(`${url}/docs/rotate_tenant_key`);
  await page.click("a[href='/errors#ambiguous_tenant_key'] >> nth=0");
  insist((await page.locator(":target").getAttribute("id")) === "ambiguous_tenant_key", page.url());
});

if (directory) {
  for (const [name, path, colorScheme] of [["docs", "/docs", "light"], ["operation", "/docs/rotate_tenant_key", "dark"], ["errors", "/errors", "light"]]) {
    await page.emulateMedia({ colorScheme });
    await page.goto(url + path);
    await page.screenshot({ path: `${directory}/${name}.png` });
  }
}

await check("keeps nothing in the browser", async () => {
  const found = await kept(page, context);
  insist(isNothing(found), found);
});

await check("asks nobody but the service", async () => insist(foreign.length === 0, foreign));

await check("breaks no rule of its own policy", async () => insist(complaints.length === 0, complaints));

await check("works without JavaScript", async () => {
  const without = await open({ javaScriptEnabled: false });
  await without.page.goto(`${url}/docs?q=rotate+tenant`);
  await without.page.click("main .entries a >> nth=0");
  insist((await without.page.locator("main h1").textContent()).includes("Rotate"), without.page.url());
  await without.browser.close();
});

await browser.close();
