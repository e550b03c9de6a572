// Biome formats and lints; this adds the one rule that needs types.
import tseslint from 'typescript-eslint'

export default [
  { ignores: ['src/onnx/generated/**'] },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'web/**/*.{ts,tsx}'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: { '@typescript-eslint/no-floating-promises': 'error' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
  },
]
