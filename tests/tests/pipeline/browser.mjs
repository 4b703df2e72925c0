// An operator at the console, in a real browser. One act a run: as JSON on standard input, and what was seen as JSON on
// standard output, with all that a browser complains of.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";

const task = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({
  executablePath: task.program,
  // Chromium's sandbox refuses to be root's.
  chromiumSandbox: process.getuid() !== 0,
});
const troubles = [];

/** A page of a browser that nobody has used before; whatever goes wrong in it is noted. */
async function open(options = {}) {
  const context = await browser.newContext({ baseURL: task.url, javaScriptEnabled: task.scripts, ...options });
  context.setDefaultTimeout(task.patience);
  const page = await context.newPage();
  page.on("console", (said) => {
    if (["error", "warning"].includes(said.type())) troubles.push(`${said.type()} at ${page.url()}: ${said.text()}`);
  });
  page.on("pageerror", (error) => troubles.push(`error at ${page.url()}: ${error}`));
  page.on("dialog", (dialog) => {
    troubles.push(`dialog at ${page.url()}: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== new URL(task.url).origin) troubles.push(`asks ${url}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) troubles.push(`${response.status()} ${response.request().method()} ${response.url()}`);
  });
  return page;
}

async function signIn(page) {
  await page.goto("/sign-in");
  await page.getByLabel("Token").fill(task.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await heading(page, "Overview");
}

const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();
const environment = (page, name) => page.getByRole("article", { name });
const shot = (page, name) => page.screenshot({ path: `${task.shots}/${name}.png`, fullPage: true });

/** Looks at a page again and again until its text is as it should be; the text. */
async function until(page, path, find, fits) {
  const end = Date.now() + task.patience;
  for (let text = ""; ; ) {
    await page.goto(path);
    text = await find(page).innerText();
    if (fits(text)) return text;
    if (Date.now() > end) throw new Error(`${path} says: ${text}`);
    await page.waitForTimeout(300);
  }
}

/** After an order: its own page, which shows by itself what came of it. */
async function ordered(page) {
  await page.getByText("It is ordered. What comes of it stands in the chain below.").waitFor();
  return page.url();
}

const acts = {
  /** Somebody with another token is not let in, and is told what to do. */
  async stranger(page) {
    await page.goto("/");
    await page.goto("/sign-in");
    await page.getByLabel("Token").fill("0123456789abcdef0123456789abcdef");
    await page.getByRole("button", { name: "Sign in" }).click();
    const said = await page.getByRole("alert").innerText();
    return { said, cookies: (await page.context().cookies()).length };
  },

  /** Lets in what waits. */
  async approve(page) {
    await signIn(page);
    const waits = await environment(page, task.environment).innerText();
    await shot(page, "waits");
    await environment(page, task.environment).getByRole("link", { name: "Approve or reject" }).click();
    await heading(page, `${task.app} for ${task.environment}`);
    const shown = await page.getByRole("main").innerText();
    const markup = await page.locator("main :is(img, script, iframe, object, svg)").count();
    const title = await page.title();
    await shot(page, "approval");
    await page.getByLabel("Comment").fill(task.comment);
    await page.getByRole("button", { name: "Approve", exact: true }).click();
    const event = await ordered(page);
    const runs = await until(
      page,
      "/",
      (page) => environment(page, task.environment),
      // What waits has its commit there too, beside the health of what runs until then.
      (text) => text.includes(task.commit.slice(0, 7)) && /^healthy/m.test(text) && !text.includes("waits for"),
    );
    await shot(page, "healthy");
    return { waits, shown, markup, title, event, runs };
  },

  /** Takes back what runs. */
  async rollBack(page) {
    await signIn(page);
    await environment(page, task.environment).getByRole("link", { name: `Roll back ${task.environment}` }).click();
    await heading(page, `Roll back ${task.environment} of ${task.app}`);
    const button = page.getByRole("button", { name: `Roll back ${task.environment}` });
    // Nothing is ordered without a reason.
    await button.click();
    const stays = page.url();
    await page.getByLabel("Reason").fill(task.reason);
    await shot(page, "roll-back");
    await button.click();
    return { stays, event: await ordered(page) };
  },

  /** Replays every dead letter there is. */
  async replay(page) {
    await signIn(page);
    await page.getByRole("link", { name: /dead letters? wait|^\d+ dead letters?/ }).click();
    await heading(page, "Dead letters");
    const listed = await page.getByRole("main").innerText();
    await shot(page, "dead");
    const boxes = page.getByRole("checkbox", { name: /^Select / });
    const count = await boxes.count();
    for (let n = 0; n < count; n += 1) await boxes.nth(n).check();
    await page.getByRole("button", { name: "Replay the selected" }).click();
    const dry = await page.getByRole("main").innerText();
    await shot(page, "dry-run");
    await page.getByRole("button", { name: `Replay ${count}` }).click();
    await page.waitForLoadState();
    const after = await page.getByRole("main").innerText();
    return { listed, count, dry, after };
  },

  /** Every page there is on the way from the overview, on a wide screen and on a phone, light and dark. */
  async look() {
    const looks = [
      { name: "wide", viewport: { width: 1280, height: 800 }, colorScheme: "light" },
      // As narrow as a page must be read without scrolling sideways (WCAG 2.2, 1.4.10).
      { name: "phone", viewport: { width: 320, height: 740 }, colorScheme: "dark", isMobile: true, hasTouch: true },
    ];
    const seen = [];
    for (const { name, ...options } of looks) {
      const page = await open(options);
      await page.goto("/sign-in");
      await inspect(page, name);
      await signIn(page);
      for (const path of task.paths) {
        await page.goto(path);
        await inspect(page, name);
        seen.push(`${name} ${path} ${await page.getByRole("heading", { level: 1 }).innerText()}`);
      }
      await page.context().close();
    }
    return { seen };
  },
};

/** What a page must be, whatever it says: no wider than its screen, and clear to who cannot see it. */
async function inspect(page, look) {
  const path = new URL(page.url()).pathname;
  const found = await page.evaluate(() => {
    const root = document.documentElement;
    const fields = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")];
    const named = (field) => field.labels.length > 0 || field.hasAttribute("aria-label");
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    return {
      wider: root.scrollWidth - root.clientWidth,
      unnamed: fields.filter((field) => !named(field)).map((field) => field.name),
      headings: document.querySelectorAll("h1").length,
      language: root.lang,
      twice: ids.filter((id, n) => ids.indexOf(id) !== n),
    };
  });
  const { wider, unnamed, headings, language, twice } = found;
  if (wider > 0) troubles.push(`${look} ${path} is ${wider} pixels wider than its screen`);
  if (unnamed.length > 0) troubles.push(`${look} ${path} has fields without a name: ${unnamed}`);
  if (headings !== 1 || language !== "en") troubles.push(`${look} ${path} has ${headings} h1, language ${language}`);
  if (twice.length > 0) troubles.push(`${look} ${path} has ids twice: ${twice}`);
  await shot(page, `${look}${path.replaceAll("/", "-")}`);
}

try {
  const page = task.act === "look" ? null : await open(task.screen);
  const seen = await acts[task.act](page);
  process.stdout.write(JSON.stringify({ ...seen, troubles }));
} finally {
  await browser.close();
}
