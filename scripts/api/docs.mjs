// Opens /docs in a browser as a reader would: it renders under the server's own security policy
// without a complaint, asks nobody else, and "test request" answers with a token.
//
//   node docs.mjs URL TOKEN SCREENSHOT

import puppeteer from "puppeteer-core";

const [url, token, screenshot] = process.argv.slice(2);
const faults = [];
const pause = () => new Promise((resolve) => setTimeout(resolve, 1_500));
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  // Nothing but our own page is opened; as root there is no other way.
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1400, height: 1000 });
  page.on("console", (message) => {
    if (message.type() === "error" || /content security policy/i.test(message.text())) {
      faults.push(`console: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => faults.push(`page: ${error}`));
  page.on("requestfailed", (request) =>
    faults.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(url) && !/^(data|blob):/.test(asked)) faults.push(`elsewhere: ${asked}`);
  });

  await page.goto(`${url}/docs#tag/customers/GET/customers`, {
    waitUntil: "networkidle0",
    timeout: 120_000,
  });
  await page.waitForFunction(() => document.body.innerText.includes("List customers"), {
    timeout: 60_000,
  });
  await page.screenshot({ path: screenshot });

  // The operation, with the token, from the page itself.
  const press = (pattern) =>
    page.waitForFunction(
      (source) => {
        const wanted = new RegExp(source, "i");
        const text = (button) => button.innerText.replace(/\s+/g, " ").trim();
        const button = [...document.querySelectorAll("button")].find((b) => wanted.test(text(b)));
        button?.click();
        return Boolean(button);
      },
      { timeout: 30_000 },
      pattern,
    );
  await press("^Test Request ?\\(get /customers\\)$");
  const inputs = "input[placeholder='Token']";
  await page.waitForSelector(inputs, { timeout: 30_000 });
  await pause();
  // The one in the dialog, which is the last. Pasted: the page draws itself anew for each key.
  await (await page.$$(inputs)).at(-1).focus();
  await page.keyboard.sendCharacter(token);
  await pause();
  const answered = page.waitForResponse(
    (response) => new URL(response.url()).pathname === "/api/v1/customers",
    { timeout: 30_000 },
  );
  await press("^Send");
  const response = await answered;
  if (response.status() !== 200) faults.push(`${response.url()} answered ${response.status()}`);
  await pause();
  await page.screenshot({ path: screenshot.replace(/\.png$/, "-tried.png") });
} catch (error) {
  faults.push(String(error));
} finally {
  await browser.close();
}
for (const fault of new Set(faults)) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log(`/docs renders and answers; see ${screenshot}`);
