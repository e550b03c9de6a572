/** Tables over operators are written in families, one file each, and put together here. */

type Both<T> = (T extends unknown ? (table: T) => void : never) extends (table: infer All) => void ? All : never

/** One table of several families. Throws when two families hold the same key. */
export function mergeTables<const Families extends readonly object[]>(...families: Families): Both<Families[number]> {
  const merged = new Map<string, unknown>()
  for (const family of families) {
    for (const [key, entry] of Object.entries(family)) {
      if (merged.has(key)) throw new RangeError(`${key} stands in two families`)
      merged.set(key, entry)
    }
  }
  return Object.fromEntries(merged) as Both<Families[number]>
}
