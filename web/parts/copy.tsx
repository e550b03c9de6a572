/** A command line that can be copied. */
import { Fragment } from 'preact'
import { useState } from 'preact/hooks'

export function Command({ text, label }: { readonly text: string; readonly label: string }) {
  const [copied, setCopied] = useState(false)
  const copy = () => {
    navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    )
  }
  return (
    <div class="command">
      <pre>
        <code>{text.split(' ').map(unbroken)}</code>
      </pre>
      <button type="button" onClick={copy} aria-label={`Copy: ${label}`}>
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  )
}

/** A line may end between words, not after the hyphens of an option. */
function unbroken(word: string, at: number) {
  return (
    <Fragment key={at}>
      {at > 0 && ' '}
      <span class="word">{word}</span>
    </Fragment>
  )
}
