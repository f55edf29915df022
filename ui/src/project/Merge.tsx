import { Button } from '@/design/Button'
import { cx } from '@/design/cx'
import type { Choice, Clash, Part } from './merge'

interface Props { parts: Part[]; choices: (Choice | undefined)[]; onChoose: (at: number, choice: Choice) => void }

const ways: [Choice, string][] = [['mine', 'Mine'], ['theirs', 'Theirs'], ['both', 'Both']]

/** What two people made of a file, where that does not go together: each place is decided. */
export function Merge({ parts, choices, onChoose }: Props) {
  const clashes = parts.filter((p) => typeof p !== 'string')
  return (
    <ol className="grid gap-3">
      {clashes.map((clash, at) => (
        <li key={at}>
          <fieldset aria-label={`Place ${String(at + 1)} of ${String(clashes.length)}`} className="grid gap-2 rounded-outer border border-line p-3">
            <div className="flex flex-wrap items-center gap-2">
              <span className="grow text-12 text-soft">Place {at + 1} of {clashes.length}</span>
              {ways.map(([choice, word]) => <Button key={choice} small look={choices[at] === choice ? 'main' : 'plain'} aria-pressed={choices[at] === choice} onClick={() => { onChoose(at, choice) }}>{word}</Button>)}
            </div>
            <div className="grid grid-cols-2 gap-3 max-wide:grid-cols-1">
              <Side title="Mine" clash={clash} side="mine" chosen={choices[at]} />
              <Side title="Theirs" clash={clash} side="theirs" chosen={choices[at]} />
            </div>
          </fieldset>
        </li>
      ))}
    </ol>
  )
}

function Side({ title, clash, side, chosen }: { title: string; clash: Clash; side: 'mine' | 'theirs'; chosen: Choice | undefined }) {
  const taken = chosen === side || chosen === 'both'
  return (
    <div className="min-w-0">
      <h3 className="mb-1 text-12 font-medium text-soft">{title}</h3>
      {/* All of it is seen: somebody decides between the two. */}
      <pre className={cx('rounded-outer px-3 py-1 font-mono text-12 break-words whitespace-pre-wrap', taken ? 'bg-good-tint' : 'bg-sunken')}>{clash[side] || <span className="text-soft">nothing: it was taken out</span>}</pre>
    </div>
  )
}
