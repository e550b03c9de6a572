/** The files below an image folder, class by class, in an order that no machine or locale changes. */

import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { unreadable } from './source.js'

export interface PictureFile {
  /** Parts joined by `/`, below the root: `cat/1.png`. */
  readonly name: string
  readonly label: number
}

export interface Tree {
  readonly files: readonly PictureFile[]
  readonly classNames: readonly string[] | undefined
}

/** Anything that says it is a picture is looked at, also what will be refused: nothing is left out silently. */
const pictureName = /\.(png|apng|jpe?g|jpe|webp|gif|bmp|tiff?|svg|avif|hei[cf]|ppm|pgm)$/i
const deepest = 16

/**
 * Lists `root/CLASS/…/picture`. Classes are the folders of the root: their names in order give the labels, unless all
 * are integers, which then are the labels. Files without the ending of a picture and names with a leading dot are ignored.
 * Throws `data-unsafe` for links that lead out of the root or to folders, and for more than `most` files.
 */
export async function listTree(root: string, most: number): Promise<Tree> {
  const real = await realpath(root).catch(error => {
    throw unreadable(root, error)
  })
  const classes: string[] = []
  for (const entry of await entriesOf(real, '')) {
    if (await isFolder(entry, { real, name: entry.name })) classes.push(entry.name)
  }
  const numbered = classes.length > 0 && classes.every(name => /^\d{1,9}$/.test(name))
  if (numbered) classes.sort((a, b) => Number(a) - Number(b))
  const files: PictureFile[] = []
  for (const [index, name] of classes.entries()) {
    if (numbered && index > 0 && Number(name) === Number(classes[index - 1])) throw sameLabel(classes[index - 1]!, name)
    const label = numbered ? Number(name) : index
    await collect({ real, files, label, most }, name, 1)
  }
  return { files, classNames: numbered ? undefined : classes.map(name => printable(name)) }
}

interface Walk {
  readonly real: string
  readonly files: PictureFile[]
  readonly label: number
  readonly most: number
}

async function collect(walk: Walk, folder: string, depth: number): Promise<void> {
  if (depth > deepest) throw unsafe(folder, `is nested more than ${deepest} folders deep`)
  for (const entry of await entriesOf(walk.real, folder)) {
    const name = `${folder}/${entry.name}`
    if (await isFolder(entry, { real: walk.real, name })) await collect(walk, name, depth + 1)
    else if (pictureName.test(entry.name)) walk.files.push({ name, label: walk.label })
    if (walk.files.length > walk.most) throw unsafe('the folder', `holds more than ${walk.most} pictures`)
  }
}

interface Entry {
  readonly name: string
  readonly type: 'file' | 'folder' | 'link' | 'other'
}

/** Names in the order of their bytes, which is the order of Unicode code points. Dotted names are left out. */
async function entriesOf(real: string, folder: string): Promise<Entry[]> {
  const options = { withFileTypes: true, encoding: 'buffer' } as const
  const entries = await readdir(join(real, folder), options).catch(error => {
    throw unreadable(folder === '' ? real : folder, error)
  })
  entries.sort((a, b) => Buffer.compare(a.name, b.name))
  return entries
    .filter(({ name }) => name[0] !== dot)
    .map(entry => ({ name: nameOf(entry, folder), type: typeOf(entry) }))
}

const dot = 0x2e

function nameOf(entry: Dirent<Buffer>, folder: string): string {
  const name = entry.name.toString('utf8')
  if (Buffer.from(name).equals(entry.name)) return name
  const where = folder === '' ? '' : ` in ${printable(folder)}`
  throw new RobustlyError('data-unsupported', `the name ${printable(name)}${where} is not valid UTF-8`, {
    hint: 'rename it',
  })
}

function typeOf(entry: Dirent<Buffer>): Entry['type'] {
  if (entry.isSymbolicLink()) return 'link'
  if (entry.isDirectory()) return 'folder'
  return entry.isFile() ? 'file' : 'other'
}

/** Whether an entry is a folder. A link may lead to a file inside the root; anything else it leads to is refused. */
async function isFolder(entry: Entry, { real, name }: { real: string; name: string }): Promise<boolean> {
  if (entry.type === 'other' && pictureName.test(entry.name)) throw unsafe(name, 'is no regular file')
  if (entry.type !== 'link') return entry.type === 'folder'
  const target = await realpath(join(real, name)).catch(error => {
    throw unreadable(name, error)
  })
  const from = relative(real, target)
  if (from === '..' || from.startsWith(`..${sep}`) || isAbsolute(from)) {
    throw unsafe(name, 'is a link that leads out of the folder')
  }
  const info = await stat(target)
  if (info.isDirectory()) throw unsafe(name, 'is a link to a folder, which may lead in a circle')
  if (!info.isFile()) throw unsafe(name, 'is a link to something that is no file')
  return false
}

function unsafe(name: string, what: string): RobustlyError {
  return new RobustlyError('data-unsafe', `${printable(name)} ${what}`, {
    hint: 'put the pictures themselves into the folder',
  })
}

function sameLabel(one: string, other: string): RobustlyError {
  return new RobustlyError('data-invalid', `the folders ${one} and ${other} stand for the same label`)
}
