/** A real browser for tests of pages. Tests that need one are skipped, visibly, where none is installed. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/** CHROMIUM_PATH, or the first of the usual names on the search path; undefined without any. */
export const chromiumPath =
  process.env.CHROMIUM_PATH ??
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap(folder => names.map(name => join(folder, name)))
    .find(existsSync)

if (chromiumPath === undefined) {
  console.warn('Chromium was not found (apt-get install chromium, or CHROMIUM_PATH): tests of pages are SKIPPED')
}

export function openBrowser(): Promise<Browser> {
  // As root, as in containers, Chromium starts without its sandbox only; what it opens are our own files.
  return chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] })
}

/** What a page did that a report must not do: requests beside its own file, errors, and what the console complains of. */
export function watch(page: Page): { readonly requests: string[]; readonly complaints: string[] } {
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', request => requests.push(request.url()))
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('dialog', dialog => {
    complaints.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
  return { requests, complaints }
}
