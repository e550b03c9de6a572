/** The name that was probably meant. */

/** Of `names` the one that a few typing errors turn into `word`; undefined when none is near. */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.min(3, Math.floor(word.length / 3)))
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    if (Math.abs(name.length - word.length) > limit) continue
    const distance = editDistance(plain(word), plain(name))
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { name, distance }
  }
  return best?.name
}

/** Case, hyphens and underscores are the first things to be mistaken. */
const plain = (name: string) => name.toLowerCase().replaceAll(/[-_]/g, '')

/** Insertions, deletions and substitutions between two words (Levenshtein), row by row. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
