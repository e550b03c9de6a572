/**
 * Small built-in networks, freshly initialised: what training starts from when there is no file. Weights are He's (Delving
 * deep into rectifiers, ICCV 2015), biases zero.
 */
import { RobustlyError } from '../errors.js'
import { GraphBuilder, type Value } from '../onnx/build.js'
import type { Graph } from '../onnx/graph.js'
import type { Random } from '../random.js'
import { float32, type Shape, sizeOf } from '../tensor/tensor.js'

export type Architecture =
  | {
      readonly architecture: 'cnn'
      /** Output channels of the convolutions, each 4x4 with stride 2 and padding 1: each halves height and width. */
      readonly channels: readonly number[]
      /** Widths of the dense layers between the convolutions and the logits. */
      readonly dense: readonly number[]
    }
  | {
      readonly architecture: 'mlp'
      /** Widths of the hidden layers. */
      readonly dense: readonly number[]
    }

/** What every layer needs to be built: the graph so far and where its weights come from. */
interface Site {
  readonly b: GraphBuilder
  readonly random: Random
}

type Build<A extends Architecture['architecture']> = (
  site: Site,
  input: Value,
  options: Extract<Architecture, { architecture: A }>,
) => Value

/** From the input [1, …sample] to the values before the last dense layer. */
const builders: { readonly [A in Architecture['architecture']]: Build<A> } = {
  cnn(site, input, { channels, dense }) {
    const features = channels.reduce((x, outs, i) => site.b.relu(convolution(site, x, outs, `conv${i + 1}`)), input)
    return hidden(site, site.b.flatten(features), dense)
  },
  mlp: (site, input, { dense }) => hidden(site, input.shape.length > 2 ? site.b.flatten(input) : input, dense),
}

/**
 * A network from `input` [batch, …sampleShape] to `logits` [batch, classes], batch symbolic. Throws `config` for shapes
 * that the architecture cannot take.
 */
export function buildArchitecture(
  architecture: Architecture,
  sampleShape: Shape,
  classes: number,
  random: Random,
): Graph {
  checkArchitecture(architecture, sampleShape)
  const b = new GraphBuilder(architecture.architecture)
  const site = { b, random }
  const input = b.input('input', 'float32', [1, ...sampleShape])
  const build = builders[architecture.architecture] as Build<Architecture['architecture']>
  const features = build(site, input, architecture)
  const logits = denseLayer(site, features, classes, 'logits', 1)
  const { types: _, ...graph } = b.build([logits.name])
  // No node holds a shape, so the batch that it was built with appears at its two ends only.
  return {
    ...graph,
    inputs: [{ name: input.name, dtype: 'float32', shape: ['batch', ...sampleShape] }],
    outputs: [{ name: logits.name, dtype: 'float32', shape: ['batch', classes] }],
  }
}

function checkArchitecture(architecture: Architecture, sampleShape: Shape): void {
  const widths = [...architecture.dense, ...(architecture.architecture === 'cnn' ? architecture.channels : [])]
  const wrong = widths.find(width => !Number.isInteger(width) || width < 1)
  if (wrong !== undefined) throw new RobustlyError('config', `a layer cannot be ${wrong} wide, expected 1 or more`)
  if (architecture.architecture !== 'cnn') return
  const least = 2 ** architecture.channels.length
  if (sampleShape.length === 3 && sampleShape[1]! >= least && sampleShape[2]! >= least) return
  throw new RobustlyError(
    'config',
    `a cnn of ${architecture.channels.length} convolutions needs images of at least ${least}x${least}, the samples have shape [${sampleShape}]`,
    { hint: 'Train an mlp on data that are no images.' },
  )
}

function hidden(site: Site, features: Value, widths: readonly number[]): Value {
  return widths.reduce((x, width, i) => site.b.relu(denseLayer(site, x, width, `dense${i + 1}`)), features)
}

function convolution(site: Site, x: Value, outs: number, name: string): Value {
  const w = heNormal(site, [outs, x.shape[1]!, 4, 4], `${name}.weight`)
  return site.b.conv(x, w, zeros(site, outs, `${name}.bias`), { strides: [2, 2], pads: [1, 1, 1, 1] })
}

/** The last layer has no ReLU behind it: gain 1 instead of 2. */
function denseLayer(site: Site, x: Value, outs: number, name: string, gain = 2): Value {
  const w = heNormal(site, [outs, x.shape[1]!], `${name}.weight`, gain)
  const bias = zeros(site, outs, `${name}.bias`)
  const type = { dtype: x.dtype, shape: [x.shape[0]!, outs] }
  return site.b.emit('Gemm', [x, w, bias], { transB: 1 }, [type], [name])[0]!
}

function heNormal({ b, random }: Site, shape: Shape, name: string, gain = 2): Value {
  const deviation = Math.sqrt(gain / sizeOf(shape.slice(1)))
  const values = Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal())
  return b.constant(float32(values, shape), name)
}

function zeros({ b }: Site, length: number, name: string): Value {
  return b.constant(float32(new Float32Array(length), [length]), name)
}
