/** `npm run check:models`: every model file of the shared assets, inspected and its gradient checked, as a table. Exit code 1 when one fails. */
import { assetModels, checkAsset } from '../support/asset-models.js'

const names = assetModels()
const width = Math.max(...names.map(name => name.length))
let failed = 0
for (const name of names) {
  const said = await checkAsset(name).then(
    ({ facts, error, reason }) => {
      const passes = reason !== undefined || error! < 1e-3
      if (!passes) failed++
      const cost = facts.multiplyAdds === null ? '' : facts.multiplyAdds.toLocaleString('en-US')
      return `${cost.padStart(15)}  ${reason ?? `${error!.toExponential(1)}${passes ? '' : '  FAILED'}`}`
    },
    (error: unknown) => {
      failed++
      return `FAILED: ${error instanceof Error ? error.message : String(error)}`
    },
  )
  console.log(`${name.padEnd(width)}  ${said}`)
}
console.log(
  `${names.length - failed} of ${names.length} models are read, and their gradients agree or are named with a reason`,
)
process.exitCode = failed === 0 ? 0 : 1
