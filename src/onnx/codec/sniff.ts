/** What a file that is no ONNX model looks like, from its first bytes, so that the message can say it. */

const signatures: readonly (readonly [offset: number, bytes: readonly number[] | string, kind: string])[] = [
  [0, [0x1f, 0x8b], 'gzip; unpack it first'],
  [0, 'BZh', 'bzip2; unpack it first'],
  [0, [0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz; unpack it first'],
  [0, [0x28, 0xb5, 0x2f, 0xfd], 'zstd; unpack it first'],
  [0, [0x89, 0x48, 0x44, 0x46], 'HDF5, e.g. a Keras .h5 model'],
  [0, [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], 'a NumPy .npy array'],
  [0, [0x89, 0x50, 0x4e, 0x47], 'a PNG image'],
  [0, [0xff, 0xd8, 0xff], 'a JPEG image'],
  [0, '%PDF', 'a PDF document'],
  [0, [0x7f, 0x45, 0x4c, 0x46], 'a program'],
  [4, 'TFL3', 'a TensorFlow Lite model'],
  [4, 'ORTM', "ONNX Runtime's own .ort format; use the .onnx file it was made from"],
]

/** The kind of file that the bytes look like, undefined when they may well be an ONNX model. */
export function looksLike(bytes: Uint8Array): string | undefined {
  const known = signatures.find(([offset, signature]) => startsWith(bytes, offset, signature))
  return known?.[2] ?? zipKind(bytes) ?? pickleKind(bytes) ?? textKind(bytes) ?? tensorFlowKind(bytes)
}

function zipKind(bytes: Uint8Array): string | undefined {
  if (!startsWith(bytes, 0, [0x50, 0x4b, 3, 4])) return undefined
  const head = latin1(bytes.subarray(0, 4096))
  if (head.includes('data.pkl') || head.includes('/version'))
    return 'a PyTorch .pt file; export it with torch.onnx.export'
  return head.includes('.npy') ? 'a NumPy .npz archive' : 'a zip archive; unpack it first'
}

/** Protocol 2 and later pickles begin with 0x80, the protocol, and end with a full stop. */
function pickleKind(bytes: Uint8Array): string | undefined {
  const isPickle = bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5
  return isPickle ? 'a Python pickle, e.g. an old PyTorch .pt file; export it with torch.onnx.export' : undefined
}

function textKind(bytes: Uint8Array): string | undefined {
  const head = bytes.subarray(0, 512)
  // A safetensors file is an 8-byte length and a JSON object.
  if (head.length > 9 && head[6] === 0 && head[7] === 0 && head[8] === 0x7b && head[9] === 0x22)
    return 'safetensors weights'
  if (!head.every(byte => byte >= 0x20 || byte === 9 || byte === 10 || byte === 13)) return undefined
  const text = latin1(head)
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .trimStart()
  if (text.startsWith('version https://git-lfs')) return 'a Git LFS pointer; run git lfs pull'
  if (/^<(!doctype|html|\?xml)/i.test(text)) return 'a web page or XML'
  return /^[{[]/.test(text) ? 'JSON' : 'text'
}

/** A SavedModel begins with its schema version 1 and a meta graph, of which the first field is a message. */
function tensorFlowKind(bytes: Uint8Array): string | undefined {
  if (!startsWith(bytes, 0, [0x08, 0x01, 0x12])) return undefined
  let at = 3
  while (at < 9 && bytes[at]! >= 0x80) at++
  return bytes[at + 1] === 0x0a && latin1(bytes.subarray(at, at + 65536)).includes('serve')
    ? 'a TensorFlow SavedModel; convert it with tf2onnx'
    : undefined
}

function startsWith(bytes: Uint8Array, offset: number, signature: readonly number[] | string): boolean {
  const wanted = typeof signature === 'string' ? Array.from(signature, letter => letter.charCodeAt(0)) : signature
  return bytes.length >= offset + wanted.length && wanted.every((byte, i) => bytes[offset + i] === byte)
}

const latin1 = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)
