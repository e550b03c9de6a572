/** Every model of the shared assets is read, and its gradient agrees with differences; `npm run check:models` prints the table, large ones too. */
import { statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { assetModels, checkAsset } from '../support/asset-models.js'
import { asset } from '../support/assets.js'

/** Too slow in the reference evaluator for a suite of seconds. */
const large = /resnet20|squeezenet|winml|ppocr|colt/
/** Without a comparison, with the reason. */
const named: Readonly<Record<string, RegExp>> = { traffic_signs: /replaced gradients/ }

const models = assetModels().filter(name => !large.test(name) && statSync(asset(name)!).size < 4.5e6)
// Forty-five networks of one shape: one of each row says it.
const chosen = models.filter(name => !/acasxu/.test(name) || /_1_batch/.test(name))

describe.skipIf(models.length === 0)('every model of the assets', () => {
  it.each(chosen)('%s', { timeout: 60_000 }, async name => {
    const { error, reason } = await checkAsset(name)
    const expected = Object.entries(named).find(([part]) => name.includes(part))?.[1]
    if (expected !== undefined) expect(reason).toMatch(expected)
    else expect(reason).toBeUndefined()
    if (expected === undefined) expect(error).toBeLessThan(1e-3)
  })
})
