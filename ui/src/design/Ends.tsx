/** How many letters of a long name always show at its end. */
const tail = 8

/**
 * A name in a list. One that is too long for its place is cut before its end:
 * names with the same beginning are told apart by that.
 */
export function Ends({ text }: { text: string }) {
  if (text.length <= 3 * tail) return <span className="min-w-0 truncate">{text}</span>
  return (
    <span className="flex min-w-0">
      <span className="sr-only">{text}</span>
      <span aria-hidden="true" className="min-w-0 truncate">{text.slice(0, -tail)}</span><span aria-hidden="true" className="shrink-0 whitespace-pre">{text.slice(-tail)}</span>
    </span>
  )
}
