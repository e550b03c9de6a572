/**
 * The header of `.npy` files, versions 1 to 3 (numpy/lib/format.py): magic, version, length, and a Python literal of a
 * dictionary with exactly the keys descr, fortran_order and shape. Read by a strict parser of just that; never evaluated.
 */

import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { exactSize } from './checks.js'
import { bytesOf, type ElementType, elementName, isElementCode } from './elements.js'
import type { Source } from './source.js'

export interface NpyHeader {
  readonly type: ElementType
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
  /** Where the elements start in the file. */
  readonly offset: number
}

export const npyMagic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)

/** numpy itself refuses headers over 10,000 characters. */
const longestHeader = 65_536
const largestRank = 32

/** Reads and checks the header. Throws `data-invalid`, `data-unsafe` (Python objects) or `data-unsupported`. */
export async function readNpyHeader(source: Source): Promise<NpyHeader> {
  const { name } = source
  const start = await source.read(0, Math.min(12, source.size))
  if (start.length < 10 || npyMagic.some((byte, index) => start[index] !== byte)) {
    throw new RobustlyError('data-invalid', `${name} is not an .npy file: it does not start with \\x93NUMPY`)
  }
  const version = start[6]!
  if (version < 1 || version > 3) {
    throw new RobustlyError('data-unsupported', `${name} has .npy version ${version}; versions 1 to 3 are read`)
  }
  const view = new DataView(start.buffer)
  const lengthEnd = version === 1 ? 10 : 12
  const length = version === 1 ? view.getUint16(8, true) : start.length < 12 ? 0 : view.getUint32(8, true)
  if (length > longestHeader || lengthEnd + length > source.size) {
    throw new RobustlyError('data-invalid', `${name} declares an .npy header of ${length} bytes, which cannot be`)
  }
  const text = Buffer.from(await source.read(lengthEnd, length)).toString(version === 3 ? 'utf8' : 'latin1')
  const header = { ...parseHeader(text, name), offset: lengthEnd + length }
  checkBytes(header, source)
  return header
}

function checkBytes({ shape, type, offset }: NpyHeader, source: Source): void {
  const wanted = exactSize([...shape, bytesOf(type)])
  const present = source.size - offset
  if (wanted === present) return
  const needs = wanted === undefined ? 'more bytes than can be counted' : `${wanted} bytes`
  const message = `${source.name} declares ${elementName(type)} [${shape.join(', ')}], which is ${needs}; it holds ${present}`
  throw new RobustlyError('data-invalid', message, { hint: 'the file is cut off or damaged: write it again' })
}

const tokens = /\s*(?:'([^'\\]{0,64})'|"([^"\\]{0,64})"|(\d{1,16})L?|(True|False)|([{}()[\],:]))/y

/** The dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (10, 3), }`, keys in any order, each once. */
export function parseHeader(text: string, name: string): Omit<NpyHeader, 'offset'> {
  let position = 0
  const bad = () => {
    const around = printable(text.slice(Math.max(0, position - 10), position + 30))
    return new RobustlyError('data-invalid', `${name} has an .npy header that cannot be read, near "${around}"`)
  }
  const next = (): string | number | boolean | symbol => {
    tokens.lastIndex = position
    const match = tokens.exec(text)
    if (!match) throw bad()
    position = tokens.lastIndex
    const string = match[1] ?? match[2]
    if (string !== undefined) return string
    if (match[3] !== undefined) return Number(match[3])
    return match[4] === undefined ? Symbol.for(match[5]!) : match[4] === 'True'
  }
  const peek = () => {
    const before = position
    const token = next()
    position = before
    return token
  }
  const expect = (sign: string) => {
    if (next() !== Symbol.for(sign)) throw bad()
  }
  const tuple = (): number[] => {
    const items: number[] = []
    expect('(')
    while (peek() !== Symbol.for(')')) {
      const item = next()
      if (typeof item !== 'number' || !Number.isSafeInteger(item) || items.length === largestRank) throw bad()
      items.push(item)
      if (peek() !== Symbol.for(')')) expect(',')
    }
    expect(')')
    return items
  }

  const values = new Map<string, unknown>()
  expect('{')
  while (peek() !== Symbol.for('}')) {
    const key = next()
    if (typeof key !== 'string' || values.has(key)) throw bad()
    expect(':')
    if (key === 'descr' && peek() === Symbol.for('[')) throw structured(name)
    values.set(key, key === 'shape' ? tuple() : next())
    if (peek() !== Symbol.for('}')) expect(',')
  }
  expect('}')
  const [descr, fortranOrder, shape] = ['descr', 'fortran_order', 'shape'].map(key => values.get(key))
  const complete = values.size === 3 && typeof descr === 'string' && typeof fortranOrder === 'boolean'
  if (!complete || !Array.isArray(shape) || text.slice(position).trim() !== '') throw bad()
  return { type: elementType(descr, name), fortranOrder, shape }
}

/** `<f4`, `>i8`, `|u1`: byte order, kind, bytes. */
export function elementType(descr: string, name: string): ElementType {
  const match = /^([<>|=]?)([a-zA-Z]\d*)(.*)$/.exec(descr)
  const code = match?.[3] === '' ? match[2]! : ''
  if (isElementCode(code)) return { code, bigEndian: match![1] === '>' }
  if (code.startsWith('O')) {
    throw new RobustlyError(
      'data-unsafe',
      `${name} holds Python objects (descr '${descr}'), which are stored as a pickle, and loading a pickle can execute code`,
      { hint: 'convert it to numbers before saving, for instance x.astype(np.float32)' },
    )
  }
  const message = `${name} has element type '${printable(descr)}'; bool, integers of 1 to 8 bytes and floats of 2 to 8 bytes are read`
  throw new RobustlyError('data-unsupported', message, { hint: 'convert it, for instance x.astype(np.float32)' })
}

function structured(name: string): RobustlyError {
  return new RobustlyError('data-unsupported', `${name} is a structured array; plain numbers are read`, {
    hint: 'save its fields as separate arrays of an .npz: x and y',
  })
}
