/** Builds the page of the HTML report into one file, which the renderer fills with data. */
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import { viteSingleFile } from 'vite-plugin-singlefile'

/**
 * Nothing may be loaded from anywhere; the only script that runs is the page's own, by its hash. Charts set styles on
 * their elements, hence 'unsafe-inline' for styles.
 */
const policy = (scripts: readonly string[]) =>
  [
    "default-src 'none'",
    `script-src ${scripts.join(' ')}`,
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')

function contentSecurityPolicy(): Plugin {
  return {
    name: 'content-security-policy',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const file of Object.values(bundle)) {
          if (file.type !== 'asset' || !file.fileName.endsWith('.html')) continue
          const html = String(file.source)
          const scripts = [...html.matchAll(/<script\b[^>]*>([\s\S]*?)<\/script>/g)].map(
            ([, text]) => `'sha256-${createHash('sha256').update(text!).digest('base64')}'`,
          )
          const meta = `<meta http-equiv="Content-Security-Policy" content="${policy(scripts)}" />`
          file.source = html.replace(/<meta charset="utf-8"\s*\/?>/, match => `${match}\n    ${meta}`)
        }
      },
    },
  }
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [viteSingleFile({ removeViteModuleLoader: true }), contentSecurityPolicy()],
  build: {
    outDir: fileURLToPath(new URL('../node_modules/.cache/robustly-web', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // light-dark() stays what it is.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    reportCompressedSize: false,
    modulePreload: false,
  },
  logLevel: 'warn',
})
