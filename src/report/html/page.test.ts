/** The report in a real browser, opened from disk. */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { chromiumPath, openBrowser, watch } from '../../../test/support/browser.js'
import { temporaryFolder } from '../../../test/support/digits.js'
import { madeUpRun } from '../../../test/support/report-run.js'
import { decide } from '../gate/decide.js'
import { parseRequirement } from '../gate/requirement.js'
import { measuredText, outcomeText } from '../gate/words.js'
import type { RunData } from './document.js'
import { renderHtml } from './render.js'

let browser: Browser
beforeAll(async () => {
  if (chromiumPath !== undefined) browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
})

/** Opens a report of these runs; whatever it asks for or complains of is an error at the end. */
async function open(runs: readonly RunData[], options: BrowserContextOptions = {}): Promise<Page> {
  const path = join(temporaryFolder(), 'report.html')
  writeFileSync(path, renderHtml(runs))
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const url = pathToFileURL(path).href
  const seen = watch(page)
  onTestFinished(async () => {
    await context.close()
    expect(seen).toEqual({ requests: [url], complaints: [] })
  })
  await page.goto(url)
  await page.locator('h2#provenance-title').waitFor()
  return page
}

const sectionsOf = (page: Page) => page.locator('main > section').evaluateAll(all => all.map(each => each.id))

describe.skipIf(chromiumPath === undefined)('the page', () => {
  test('opens with the answer, and with the sections that the run holds data for', async () => {
    const run = madeUpRun({ count: 200, warnings: ['Read this first.'] })
    const page = await open([run])
    const { robust } = run.document.result.accuracy
    const share = (100 * (1 - robust.value)).toFixed(1)
    expect(await page.locator('h1').textContent()).toBe(
      `At Linf 0.1 an attacker who knows the model fools it on ${share} % of images.`,
    )
    expect(await sectionsOf(page)).toEqual([
      'warnings',
      'attacks',
      'queries',
      'classes',
      'confusion',
      'distributions',
      'gallery',
      'threat-model',
      'provenance',
    ])
    expect(await page.locator('#warnings').textContent()).toContain('Read this first.')
    expect(await page.locator('#classes tbody tr').count()).toBe(10)
  })

  test('a result without records shows less', async () => {
    const { document } = madeUpRun({ count: 50 })
    const page = await open([{ document: { ...document, records: null, gallery: null }, samples: [] }])
    expect(await sectionsOf(page)).toEqual(['attacks', 'threat-model', 'provenance'])
  })

  test('a run of minimum-distance attacks shows its security curve; several runs are paired', async () => {
    const asked = { count: 150, attacks: ['fmn', 'ddn'], mode: 'individual', norm: 'L2' } as const
    const page = await open([madeUpRun({ ...asked, name: 'before' }), madeUpRun({ ...asked, name: 'after', seed: 2 })])
    expect(await sectionsOf(page)).toContain('security-curve')
    expect(await sectionsOf(page)).not.toContain('queries')
    expect(await page.locator('#security-curve svg path').count()).toBeGreaterThanOrEqual(2)
    const counts = await page
      .locator('#comparison table')
      .last()
      .locator('tbody tr')
      .evaluateAll(rows => rows.map(row => [...row.children].slice(4, 8).map(cell => Number(cell.textContent))))
    expect(counts).toHaveLength(2)
    for (const row of counts) expect(row.reduce((a, b) => a + b)).toBe(150)
  })

  test('what was required is said as the gate says it, and drawn', async () => {
    const run = madeUpRun({ count: 200 })
    const { result } = run.document
    const { value } = result.accuracy.robust
    const texts = [`robust >= ${value - 0.2}`, `robust >= ${value - 0.01}`, 'standard >= 0.999', 'unknown <= 0']
    const outcomes = texts.map(text => decide(parseRequirement(text), result, 'interval'))
    const foreign = { ...outcomes[3]!, requirement: 'drop <= 0 vs <img src=x onerror=alert(1)>' }
    const requirements = [...outcomes, foreign]
    const page = await open([{ ...run, document: { ...run.document, result: { ...result, requirements } } }])
    expect(await sectionsOf(page)).toContain('requirements')
    const items = await page.locator('#requirements .outcomes li').allTextContents()
    expect(items).toEqual(requirements.map((each, at) => `${'✓?✗✓✓'[at]}${outcomeText(each)}`))
    const chart = page.locator('#requirements figure.chart svg')
    const label = await chart.getAttribute('aria-label')
    for (const each of outcomes.slice(0, 3)) expect(label).toContain(`${each.requirement}: ${measuredText(each)}`)
    expect(label).not.toContain('unknown')
    expect(await chart.locator('circle').count()).toBe(3)
    expect(await seriousFindings(page)).toEqual([])
  })

  test('hostile names stay text', async () => {
    const evil = `</script><img src="http://127.0.0.1:9/x" onerror="alert(1)"><svg onload=alert(2)>"'&lt;`
    const names = Array.from({ length: 10 }, (_, label) => `${evil} ${label}`)
    const run = madeUpRun({ count: 100, text: evil, name: evil, classNames: names, warnings: [evil] })
    const page = await open([run, run])
    expect(await page.locator('img').count()).toBe(0)
    expect(await page.locator('svg[onload]').count()).toBe(0)
    expect(await page.locator('#warnings').textContent()).toContain(evil)
    expect(await page.locator('#provenance').textContent()).toContain(`${evil}.onnx`)
    expect(await page.locator('#classes').textContent()).toContain(names[3])
  })

  test('every picture has a title and words', async () => {
    const page = await open([madeUpRun({ count: 100 })])
    await page.locator('#gallery canvas').first().waitFor()
    const charts = await page
      .locator('figure.chart')
      .evaluateAll(all =>
        all.map(figure => [
          figure.querySelector('figcaption')?.textContent,
          figure.querySelector('svg')?.getAttribute('role'),
          figure.querySelector('svg')?.getAttribute('aria-label'),
          figure.querySelector('svg desc')?.textContent,
          figure.querySelector('svg')?.textContent?.includes('→'),
        ]),
      )
    expect(charts.length).toBeGreaterThanOrEqual(3)
    for (const [title, role, label, description, axis] of charts) {
      expect({ role, axis }).toEqual({ role: 'img', axis: true })
      expect(label).toBe(`${title}. ${description}`)
      expect(description!.length).toBeGreaterThan(20)
    }
    const labels = await page.locator('canvas').evaluateAll(all => all.map(each => each.getAttribute('aria-label')))
    expect(labels.every(label => /^Sample \d+, (original|change|adversarial)/.test(label ?? ''))).toBe(true)
  })

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { viewport: { width: 360, height: 780 } }],
  ] as const)('axe finds nothing serious, and nothing is wider than the page: %s', async (_, options) => {
    const page = await open([madeUpRun({ count: 120 }), madeUpRun({ count: 120, seed: 2 })], options)
    await page.locator('#gallery canvas').first().waitFor()
    expect(await seriousFindings(page)).toEqual([])
    const [content, window] = await page.evaluate<[number, number]>(
      '[document.documentElement.scrollWidth, innerWidth]',
    )
    expect(content).toBeLessThanOrEqual(window)
  })

  test('the gallery filters, orders and opens by keyboard', async () => {
    const page = await open([madeUpRun({ count: 300 })])
    const count = () => page.locator('#gallery .count').textContent()
    const all = Number(/^(\d+)/.exec((await count())!)![1])
    await page.locator('.filters').getByLabel('True class').selectOption({ label: '3' })
    const some = Number(/^(\d+) of/.exec((await count())!)![1])
    expect(some).toBeGreaterThan(0)
    expect(some).toBeLessThan(all)
    expect(await page.locator('.card').first().textContent()).toMatch(/#\d+ 3 →/)
    await page.locator('.filters').getByLabel('True class').selectOption({ label: 'all' })
    await page.locator('.filters').getByLabel('Order by').selectOption({ label: 'largest distance' })
    const distances = (await page.locator('.card').allInnerTexts()).map(text => Number(/Linf ([\d.]+)/.exec(text)![1]))
    expect(distances).toEqual([...distances].sort((a, b) => b - a))

    await page.locator('.card button').first().focus()
    await page.keyboard.press('Enter')
    const title = page.locator('dialog h3')
    const first = await title.textContent()
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => title.textContent()).not.toBe(first)
    expect(await seriousFindings(page)).toEqual([])
    await page.keyboard.press('Escape')
    expect(await page.locator('dialog').count()).toBe(0)
  })

  test('a traced sample shows its search; another says how to trace it', async () => {
    const page = await open([madeUpRun({ count: 60 })])
    await page.locator('.card button').first().click()
    const figures = page.locator('dialog .search figure')
    expect(await figures.locator('figcaption').allTextContents()).toEqual([
      expect.stringContaining('Margin against queries'),
      expect.stringContaining('Loss against queries'),
      expect.stringContaining('Distance from the original against queries (Linf)'),
    ])
    expect(await page.locator('dialog .search').textContent()).toContain('of 1,200 queries, spread evenly')
    expect(await figures.first().locator('svg').getAttribute('aria-label')).toContain('apgd-ce, 600 queries: from')
    expect(await seriousFindings(page)).toEqual([])
    await page.keyboard.press('ArrowRight')
    expect(await figures.count()).toBe(0)
    const index = /Sample (\d+)/.exec((await page.locator('dialog h3').textContent())!)![1]
    expect(await page.locator('dialog .command').textContent()).toContain(`robustly replay made-up --trace ${index}`)
  })

  test('tabular samples are rows of features, the changed ones marked', async () => {
    const page = await open([madeUpRun({ count: 60, kind: 'features' })])
    const card = page.locator('.card').first()
    expect(await card.locator('tbody tr.changed').count()).toBe(4)
    await card.locator('button').click()
    expect(await page.locator('dialog .features tbody tr').count()).toBe(12)
    expect(await page.locator('dialog .features caption').textContent()).toBe('4 of 12 features changed')
    expect(await page.locator('dialog tr.changed th').first().textContent()).toBe('● changed: feature 0')
  })

  test('10,000 samples: few cards are drawn at a time; opening and scrolling are measured', async () => {
    const run = madeUpRun({ count: 15_000 })
    expect(run.samples.length).toBeGreaterThan(10_000)
    const page = await open([run])
    await page.locator('.card canvas').first().waitFor()
    const opened = await page.evaluate<number>('performance.now()') // since the navigation began
    const { wheel, jumps, most, bottom } = await page.evaluate<Scrolled>(`(${scrolled})()`)
    expect(most).toBeLessThan(60)
    expect(bottom).toBe(String(run.samples.length))
    const text = (times: readonly number[]) => `${times[30]!.toFixed(0)} ms (one in twenty ${times[57]!.toFixed(0)} ms)`
    console.info(
      `${run.samples.length} examples: opened in ${opened.toFixed(0)} ms; a frame takes ${text(wheel)} while scrolling, ${text(jumps)} while jumping`,
    )
  })
})

/** What axe finds that keeps people out. */
async function seriousFindings(page: Page): Promise<unknown[]> {
  // The policy of the page forbids scripts; the test asks the debugger to run axe all the same.
  await page.evaluate(`${axe}\n;undefined`)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    const { violations } = await axe.run()
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html).slice(0, 3) }))
  })
  return found.filter(({ impact }) => impact === 'serious' || impact === 'critical')
}

/** Runs in the page: turns the wheel of the gallery for 60 frames, then jumps through the whole of it in 60 more. */
const scrolled = `async () => {
  const grid = document.querySelector('.grid')
  let most = 0
  const frames = async place => {
    const times = []
    for (let step = 1; step <= 60; step++) {
      const start = performance.now()
      grid.scrollTop = place(step)
      await new Promise(requestAnimationFrame)
      times.push(performance.now() - start)
      most = Math.max(most, grid.querySelectorAll('.card').length)
    }
    return times.sort((a, b) => a - b)
  }
  const wheel = await frames(step => 120 * step)
  const jumps = await frames(step => (step / 60) * grid.scrollHeight)
  await new Promise(requestAnimationFrame)
  return { wheel, jumps, most, bottom: grid.querySelector('li:last-child').ariaPosInSet }
}`

interface Scrolled {
  readonly wheel: readonly number[]
  readonly jumps: readonly number[]
  readonly most: number
  readonly bottom: string
}

interface Violation {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string }[]
}

const { source: axe } = createRequire(import.meta.url)('axe-core') as { readonly source: string }
