// Pictures of a report: light, dark, on a phone, on paper. `node scripts/screenshots.mjs report.html out/name` writes
// out/name-light.png and so on, with the Chromium of CHROMIUM_PATH or the one on the path.
import { existsSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const views = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', deviceScaleFactor: 2 },
}
const [report, out] = process.argv.slice(2)
if (report === undefined || out === undefined) {
  console.error('usage: node scripts/screenshots.mjs REPORT.html OUT_PREFIX')
  process.exit(2)
}
const found = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, 'chromium'))
const executablePath = process.env.CHROMIUM_PATH ?? found.find(existsSync)
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
for (const [name, options] of Object.entries(views)) {
  const page = await browser.newPage(options)
  await page.goto(pathToFileURL(resolve(report)).href)
  await page.locator('#provenance-title').waitFor()
  await page.screenshot({ path: `${out}-${name}-top.png` })
  await page.screenshot({ path: `${out}-${name}.png`, fullPage: true })
  if (name === 'light') await page.pdf({ path: `${out}-paper.pdf`, format: 'A4' })
  await page.close()
}
await browser.close()
