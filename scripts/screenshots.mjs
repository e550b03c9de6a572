// Pictures of a report: light, dark, on a phone, on paper, each also of its first adversarial example in detail.
// `node scripts/screenshots.mjs report.html out/name` writes out/name-light.png and so on, with the Chromium of CHROMIUM_PATH
// or the one on the path.
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
  const first = page.locator('#gallery .card button').first()
  if ((await first.count()) > 0) {
    await first.click()
    const detail = page.locator('dialog')
    // As tall as its content, which scrolls in a window of this size.
    const height = await detail.evaluate(dialog => dialog.scrollHeight)
    await page.setViewportSize({ width: options.viewport.width, height: height + 60 })
    await page.screenshot({ path: `${out}-${name}-detail.png` })
  }
  await page.close()
}
await browser.close()
