/**
 * JSON Schema of the part of SARIF 2.1.0 that this program writes, from the text of the standard (OASIS, sections in the comments).
 * Stricter than the standard's own: what is not named here is refused.
 */
const text = {
  type: 'object',
  required: ['text'],
  additionalProperties: false,
  properties: { text: { type: 'string', minLength: 1 } },
}
const index = { type: 'integer', minimum: 0 }
const reference = { type: 'string', format: 'uri-reference', minLength: 1 }
const level = { enum: ['none', 'note', 'warning', 'error'] }

/** 3.4 artifactLocation */
const artifactLocation = {
  type: 'object',
  required: ['uri'],
  additionalProperties: false,
  properties: { uri: reference, index },
}

/** 3.49 reportingDescriptor */
const rule = {
  type: 'object',
  required: ['id', 'name', 'shortDescription'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', minLength: 1 },
    name: { type: 'string', pattern: '^[A-Z][A-Za-z]*$' },
    shortDescription: text,
    fullDescription: text,
    help: text,
    defaultConfiguration: { type: 'object', additionalProperties: false, properties: { level } },
  },
}

/** 3.27 result */
const result = {
  type: 'object',
  required: ['ruleId', 'ruleIndex', 'level', 'message', 'locations', 'partialFingerprints'],
  additionalProperties: false,
  properties: {
    ruleId: { type: 'string' },
    ruleIndex: index,
    level,
    message: text,
    locations: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['physicalLocation'],
        properties: {
          physicalLocation: {
            type: 'object',
            additionalProperties: false,
            required: ['artifactLocation'],
            properties: { artifactLocation },
          },
        },
      },
    },
    partialFingerprints: {
      type: 'object',
      minProperties: 1,
      additionalProperties: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    },
  },
}

/** 3.14 run */
const run = {
  type: 'object',
  required: ['tool', 'results'],
  additionalProperties: false,
  properties: {
    tool: {
      type: 'object',
      required: ['driver'],
      additionalProperties: false,
      properties: {
        driver: {
          type: 'object',
          required: ['name', 'rules'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', minLength: 1 },
            semanticVersion: { type: 'string' },
            rules: { type: 'array', uniqueItems: true, items: rule },
          },
        },
      },
    },
    columnKind: { enum: ['utf16CodeUnits', 'unicodeCodePoints'] },
    artifacts: {
      type: 'array',
      uniqueItems: true,
      items: {
        type: 'object',
        additionalProperties: false,
        properties: {
          location: artifactLocation,
          hashes: { type: 'object', additionalProperties: { type: 'string' } },
        },
      },
    },
    results: { type: 'array', items: result },
    properties: { type: 'object' },
  },
}

/** 3.13 sarifLog */
export const sarifSchema = {
  type: 'object',
  required: ['version', 'runs'],
  additionalProperties: false,
  properties: {
    $schema: { type: 'string', format: 'uri' },
    version: { const: '2.1.0' },
    runs: { type: 'array', minItems: 1, items: run },
  },
}
