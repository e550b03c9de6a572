/**
 * The k-th largest of some values (k from 1), by quickselect: linear time on average, no sort. Reorders `values`.
 * The pivot is the median of three, so that sorted input is no worse.
 */
export function selectLargest(values: Float32Array | Float64Array, k: number): number {
  let low = 0
  let high = values.length - 1
  const target = k - 1
  while (low < high) {
    const pivot = medianOfThree(values[low], values[(low + high) >> 1], values[high])
    let i = low
    let j = high
    while (i <= j) {
      while (values[i] > pivot) i++
      while (values[j] < pivot) j--
      if (i > j) break
      const swap = values[i]
      values[i++] = values[j]
      values[j--] = swap
    }
    if (target <= j) high = j
    else if (target >= i) low = i
    else break
  }
  return values[target]
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}
