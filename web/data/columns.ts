/** Columns of the data document as typed arrays. Every browser of today is little-endian, as the document is. */
import type { Column } from '../../src/report/html/document.js'

export type Numbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array

const views = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
} as const

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

export function numbersOf({ type, data }: Column): Numbers {
  return new views[type](bytesOf(data).buffer)
}
