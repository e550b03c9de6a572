/** Target classes of targeted attacks: the likeliest wrong ones. */

/** The `count` classes of highest score other than the label, likeliest first; of equals the lower class first. */
export function likeliestOthers(logits: Float32Array, label: number, count: number): number[] {
  return Array.from(logits.keys())
    .filter(k => k !== label)
    .sort((i, j) => logits[j] - logits[i] || i - j)
    .slice(0, count)
}
