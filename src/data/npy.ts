/** A pair of `.npy` files: `x.npy` beside `y.npy`, `x_test.npy` beside `y_test.npy`, `images.npy` beside `labels.npy`. */

import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { arrayDataset } from './arrays.js'
import type { Format } from './candidate.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { npyMagic } from './npy-header.js'
import { owning } from './owner.js'
import { npyRows } from './rows.js'
import { openSource } from './source.js'

export const npy: Format = {
  name: 'npy',
  description: 'x.npy beside y.npy (numpy)',
  matches: ({ type, name, head }) =>
    type === 'file' && (/\.npy$/i.test(name) || npyMagic.every((byte, index) => head[index] === byte)),
  open: openNpy,
}

async function openNpy(path: string, options: ReaderOptions): Promise<Dataset> {
  const labelsPath = options.labels ?? (await labelsBeside(path))
  return owning(async ({ own, close }) => {
    const inputs = await own(openSource(path))
    const labels = await own(openSource(labelsPath))
    const pair = {
      name: inputs.name,
      inputs: await npyRows(inputs, options.limits.fortranBytes),
      labels: await npyRows(labels, options.limits.fortranBytes),
      files: [path, labelsPath].map(each => ({ path: each, name: basename(resolve(each)) })),
      close,
    }
    return arrayDataset(pair, options)
  })
}

/** What the samples' file is called, and what its labels' file is called then. */
const partners: readonly (readonly [RegExp, string])[] = [
  [/(^|[^a-z])x(?![a-z])/i, '$1y'],
  [/images/, 'labels'],
  [/inputs/, 'labels'],
]

async function labelsBeside(path: string): Promise<string> {
  const name = basename(resolve(path))
  const names = partners.map(([from, to]) => name.replace(from, to)).filter(each => each !== name)
  for (const each of [...new Set(names)]) {
    const candidate = join(dirname(resolve(path)), each)
    if (
      await stat(candidate).then(
        info => info.isFile(),
        () => false,
      )
    )
      return candidate
  }
  const wanted = names.length > 0 ? names.map(each => printable(each)).join(' or ') : 'none that its name suggests'
  throw new RobustlyError(
    'data-invalid',
    `${printable(name)} holds no labels, and there is no file beside it with them (${wanted})`,
    {
      hint: "name the files x.npy and y.npy, or save both in one file: np.savez('data.npz', x=x, y=y)",
    },
  )
}
