/** ONNX files: reading and writing, bytes only. */
export {
  type DecodeOptions,
  decodeModel,
  type Model,
  type ModelFunction,
  newestIrVersion,
  newestOpset,
} from './decode.js'
export { type EncodeOptions, type ExternalSink, encodeExternal, encodeModel, fitsOneMessage } from './encode.js'
export { checkLocation, type ExternalReader } from './external.js'
export { looksLike } from './sniff.js'
export { largeTensor } from './tensors.js'
