// What two people made of one text, as the server marks it.

/** A place that both changed in different ways. */
export interface Clash { mine: string; before: string; theirs: string }

export type Part = string | Clash

/** What is to stand at a place. */
export type Choice = 'mine' | 'theirs' | 'both'

const marks = /^<{7} yours\n([^]*?)^\|{7} before\n([^]*?)^={7}\n([^]*?)^>{7} theirs(?:\n|$)/gm

/** partsOf takes a marked text apart: what is agreed on, and the places that are not. */
export function partsOf(marked: string): Part[] {
  const parts: Part[] = []
  let from = 0
  for (const found of marked.matchAll(marks)) {
    if (found.index > from) parts.push(marked.slice(from, found.index))
    parts.push({ mine: found[1] ?? '', before: found[2] ?? '', theirs: found[3] ?? '' })
    from = found.index + found[0].length
  }
  if (from < marked.length) parts.push(marked.slice(from))
  return parts
}

/** decided is the text with a choice at each place, in their order; undefined while one is missing. */
export function decided(parts: Part[], choices: (Choice | undefined)[]): string | undefined {
  let at = 0
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    const choice = choices[at++]
    if (choice === undefined) return undefined
    text += choice === 'mine' ? part.mine : choice === 'theirs' ? part.theirs : part.mine + part.theirs
  }
  return text
}

/** hasMarks says whether a text still has places that are to be decided. */
export const hasMarks = (text: string) => /^<{7} yours$/m.test(text)
