/** Paths as people read them. */
import { relative } from 'node:path'

/** Short where it lies below the working directory. */
export function shown(path: string): string {
  const near = relative(process.cwd(), path)
  return near === '' || near.startsWith('..') ? path : near
}
