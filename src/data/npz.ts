/** `.npz`: a zip archive of `.npy` arrays, as `np.savez(path, x=x, y=y)` writes it. */

import { resolve } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { arrayDataset } from './arrays.js'
import type { Format } from './candidate.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { owning } from './owner.js'
import { npyRows } from './rows.js'
import { openZip } from './zip.js'

export const npz: Format = {
  name: 'npz',
  description: '.npz with arrays x and y (numpy)',
  matches: ({ type, name, head }) =>
    type === 'file' && (/\.npz$/i.test(name) || (isZip(head) && !/\.(pt|pth|zip|xlsx|keras|jar)$/i.test(name))),
  sayable: { noun: 'an .npz', keys: ['bind'] },
  open: openNpz,
}

function isZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4
}

async function openNpz(path: string, options: ReaderOptions): Promise<Dataset> {
  return owning(async owner => {
    const archive = await owner.own(openZip(path, options.limits))
    const keys = archive.entries.filter(entry => entry.endsWith('.npy')).map(entry => entry.slice(0, -'.npy'.length))
    const chosen = chooseKeys(keys, options, archive.name)
    const rows = async (key: string) => {
      const shownAs = `${printable(key)} in ${archive.name}`
      return npyRows(await archive.source(`${key}.npy`, shownAs, owner), options.limits.fortranBytes)
    }
    const bound = []
    for (const { input, column } of options.bind ?? [])
      bound.push({ input, rows: await rows(arrayNamed(keys, column, archive.name)) })
    const pair = {
      name: archive.name,
      // The labels first: they are small, and may be missing or wrong.
      labels: await rows(chosen.labels),
      inputs: await rows(chosen.inputs),
      bound,
      files: [{ path: resolve(path), name: archive.name }],
      close: owner.close,
    }
    return arrayDataset(pair, options)
  })
}

function arrayNamed(keys: readonly string[], wanted: string, name: string): string {
  if (keys.includes(wanted)) return wanted
  throw new RobustlyError('usage', `${name} has no array ${printable(wanted, 60)}; it has ${listed(keys)}`)
}

interface KeyGroup {
  readonly split: 'test' | 'train' | undefined
  readonly inputs: readonly string[]
  readonly labels: readonly string[]
}

/** Names in use for samples and labels, in lower case; the first group with samples is taken. */
const keyGroups: readonly KeyGroup[] = [
  { split: undefined, inputs: ['x', 'images', 'inputs'], labels: ['y', 'labels', 'targets'] },
  { split: 'test', inputs: ['x_test', 'test_images', 'test_x'], labels: ['y_test', 'test_labels', 'test_y'] },
  { split: 'train', inputs: ['x_train', 'train_images', 'train_x'], labels: ['y_train', 'train_labels', 'train_y'] },
]

/** The arrays to read. Throws `data-invalid` and names the arrays that are there when that is not clear. */
export function chooseKeys(
  keys: readonly string[],
  { keys: asked, split }: Pick<ReaderOptions, 'keys' | 'split'>,
  name: string,
): { readonly inputs: string; readonly labels: string } {
  const found = (wanted: readonly string[]) => keys.filter(key => wanted.includes(key.toLowerCase()))
  const groups = keyGroups.filter(group => split === undefined || group.split === split)
  const group = groups.find(each => found(each.inputs).length > 0) ?? groups[0]!
  const pick = (role: 'inputs' | 'labels') => {
    const explicit = asked?.[role]
    const candidates = explicit === undefined ? found(group[role]) : keys.filter(key => key === explicit)
    if (candidates.length === 1) return candidates[0]!
    throw unclear(name, role, explicit === undefined ? group[role] : [explicit], { candidates, keys })
  }
  return { inputs: pick('inputs'), labels: pick('labels') }
}

function unclear(
  name: string,
  role: 'inputs' | 'labels',
  wanted: readonly string[],
  { candidates, keys }: { candidates: readonly string[]; keys: readonly string[] },
): RobustlyError {
  const what = role === 'inputs' ? 'samples' : 'labels'
  const message =
    candidates.length > 1
      ? `${name} has several arrays that could be the ${what}: ${listed(candidates)}`
      : `${name} has no array with the ${what} (${listed(wanted)}); it has ${keys.length === 0 ? 'no arrays' : listed(keys)}`
  return new RobustlyError('data-invalid', message, { hint: "save it with np.savez('data.npz', x=x, y=y)" })
}

function listed(items: readonly string[]): string {
  return items
    .slice(0, 20)
    .map(item => printable(item, 60))
    .join(', ')
}
