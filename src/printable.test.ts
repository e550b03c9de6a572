import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable } from './printable.js'

test.each([
  ['a\x1b[31mred\x1b[0m', 'ared'],
  ['\x1b]0;title\x07name', 'name'],
  ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
  ['\u009b2Jgone', 'gone'],
  ['two\r\nlines\tand a tab', 'two lines and a tab'],
  ['invoice\u202egpj.exe', 'invoicegpj.exe'],
  ['nul\0bell\x07', 'nulbell'],
  ['plain <img onerror> Ω 猫 😀', 'plain <img onerror> Ω 猫 😀'],
  ['half \ud83d emoji', 'half \ufffd emoji'],
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

test('whatever comes in, nothing comes out that a terminal acts on, and doing it twice changes nothing', () => {
  const nasty = fc.constantFrom('\x1b', '[', ']', '\x07', '\u009b', '0', 'm', '\n', '\u202e', '\\', '\ud800', 'a')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(nasty).map(parts => parts.join('')),
      ),
      text => {
        const shown = printable(text)
        expect(shown).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Cs}\u2028\u2029]/u)
        expect(printable(shown)).toBe(shown)
      },
    ),
  )
})

test('long text is cut and says so', () => {
  expect(printable('x'.repeat(1000), 10)).toBe('xxxxxxxxxx…')
})
