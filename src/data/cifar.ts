/**
 * The binary version of CIFAR-10 and CIFAR-100 (cs.toronto.edu/~kriz/cifar.html): records of one label byte (CIFAR-100:
 * coarse label, fine label) and 3,072 bytes of a 32 x 32 picture, channel after channel.
 */

import { RobustlyError } from '../errors.js'
import type { Format } from './candidate.js'
import { checkLabels, checkRange } from './checks.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { toInputs } from './elements.js'
import { hashFiles } from './hash.js'
import { owning } from './owner.js'
import { openSource, type Source } from './source.js'

export const cifar: Format = {
  name: 'cifar',
  description: '.bin of CIFAR-10 or CIFAR-100 (binary version)',
  matches: ({ type, name }) => type === 'file' && /\.bin$/i.test(name),
  open: openCifar,
}

const pixels = 3 * 32 * 32

interface Layout {
  readonly name: 'cifar10' | 'cifar100' | 'cifar100-coarse'
  readonly record: number
  /** Which byte of the record is the label. */
  readonly label: number
  readonly classes: number
  readonly classNames: readonly string[] | undefined
}

const cifar10Names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']

const layouts: readonly Layout[] = [
  { name: 'cifar10', record: 1 + pixels, label: 0, classes: 10, classNames: cifar10Names },
  { name: 'cifar100', record: 2 + pixels, label: 1, classes: 100, classNames: undefined },
  { name: 'cifar100-coarse', record: 2 + pixels, label: 0, classes: 20, classNames: undefined },
]

async function openCifar(path: string, { cifar: asked }: ReaderOptions): Promise<Dataset> {
  return owning(async ({ own, close }) => {
    const source = await own(openSource(path))
    const { name } = source
    const layout = layoutOf(source, asked)
    const count = source.size / layout.record
    let hash: Promise<string> | undefined
    return {
      name,
      count,
      sampleShape: [3, 32, 32],
      kind: 'image',
      layout: 'CHW',
      classNames: layout.classNames,
      decoder: undefined,
      hash() {
        hash ??= hashFiles([{ path, name }])
        return hash
      },
      async read(start, end) {
        checkRange(start, end, count, name)
        const { record, label, classes } = layout
        const bytes = await source.read(start * record, (end - start) * record)
        const values = new Uint8Array((end - start) * pixels)
        const labels = new Int32Array(end - start)
        for (let row = 0; row < labels.length; row++) {
          const at = row * record
          labels[row] = bytes[at + label]!
          values.set(bytes.subarray(at + record - pixels, at + record), row * pixels)
        }
        checkLabels(labels, classes, start)
        return { inputs: toInputs(values, 255), labels }
      },
      close,
    }
  })
}

/** The record size that divides the file. CIFAR-100 stands for its fine labels unless the coarse ones are asked for. */
function layoutOf({ size, name }: Source, asked: Layout['name'] | undefined): Layout {
  const wanted = layouts.filter(layout => (asked ? layout.name === asked : layout.name !== 'cifar100-coarse'))
  const fitting = wanted.filter(({ record }) => size > 0 && size % record === 0)
  if (fitting.length === 1) return fitting[0]!
  if (fitting.length > 1) {
    throw new RobustlyError('data-invalid', `${name} has ${size} bytes, which could be CIFAR-10 and CIFAR-100`, {
      hint: `say which: ${layouts.map(layout => layout.name).join(', ')}`,
    })
  }
  const records = [...new Set(wanted.map(({ record }) => record))].join(' or ')
  throw new RobustlyError(
    'data-invalid',
    `${name} has ${size} bytes, which is no number of CIFAR records (${records})`,
    {
      hint: 'the file is cut off, or it is no CIFAR data',
    },
  )
}
