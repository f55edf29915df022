// The editor itself. It lives in a shadow root, where its styles are constructed
// sheets: the page's policy allows no style elements.
import { autocompletion, closeBrackets, closeBracketsKeymap, completeFromList, completionKeymap, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { PostgreSQL, sql } from '@codemirror/lang-sql'
import { yaml } from '@codemirror/lang-yaml'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, setDiagnostics } from '@codemirror/lint'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useImperativeHandle, useRef } from 'react'
import type { EditorProps, Mistake } from './Editor'
import { statementAt } from './statements'

const looks = EditorView.theme({
  '&': { height: '100%', fontSize: '0.8125rem', color: 'var(--n12)', backgroundColor: 'var(--n1)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'Liberation Mono', monospace", lineHeight: '1.3125rem' },
  '.cm-content': { caretColor: 'var(--n12)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--n12)' },
  '.cm-gutters': { backgroundColor: 'var(--n1)', color: 'var(--n10)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--n2)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in oklch, var(--accent-solid) 26%, transparent)' },
  '.cm-matchingBracket': { backgroundColor: 'var(--accent-tint) !important', color: 'inherit' },
  '.cm-tooltip': { backgroundColor: 'var(--n1)', color: 'var(--n12)', border: 'none', borderRadius: '6px', boxShadow: 'var(--shadow-float)', overflow: 'hidden' },
  '.cm-tooltip-autocomplete ul li': { padding: '3px 8px !important' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-tint)', color: 'var(--n12)' },
  '.cm-completionInfo': { maxWidth: '20rem', padding: '6px 10px', color: 'var(--n11)', backgroundColor: 'var(--n2)', fontSize: '0.75rem' },
  '.cm-completionDetail': { color: 'var(--n10)', fontStyle: 'normal' },
  '.cm-diagnostic': { padding: '6px 10px', fontSize: '0.8125rem', whiteSpace: 'pre-wrap' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--bad-solid)' },
  '.cm-panels': { backgroundColor: 'var(--n2)', color: 'var(--n12)', border: 'none' },
  '.cm-panels input, .cm-panels button': { fontSize: '0.8125rem' },
})

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: 'var(--accent-text)', fontWeight: '500' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--good-text)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--info-text)' },
  { tag: [tags.comment], color: 'var(--n10)', fontStyle: 'italic' },
  { tag: [tags.propertyName, tags.typeName, tags.definition(tags.propertyName)], color: 'var(--warning-text)' },
  { tag: [tags.invalid], color: 'var(--bad-text)' },
])

// A browser that types over marked text keeps its looks in a style attribute,
// which the page's policy forbids. So typing over is done here, not by it.
const typeOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to, empty } = view.state.selection.main
    const text = event.data
    if (event.inputType !== 'insertText' || text === null || empty || view.composing) return false
    const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: 'input.type', scrollIntoView: true })
    if (!view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, text, insert))) view.dispatch(insert())
    event.preventDefault()
    return true
  },
})

function languageOf({ language, tables, functions = [] }: Pick<EditorProps, 'language' | 'tables' | 'functions'>): Extension {
  switch (language) {
    case 'sql': return [sql({ dialect: PostgreSQL, schema: tables, upperCaseKeywords: true }), PostgreSQL.language.data.of({ autocomplete: completeFromList(functions.map((label) => ({ label, type: 'function', apply: `${label}(`, boost: -10 }))) })]
    case 'json': return json()
    case 'yaml': return yaml()
    case 'text': return []
  }
}

export default function EditorCode(props: EditorProps) {
  const { value, label, readOnly = false, line, mistakes, language, tables, functions, ref } = props
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const current = useRef(props)
  const languages = useRef(new Compartment())
  useEffect(() => { current.current = props })

  useEffect(() => {
    const element = host.current
    if (!element) return
    const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' })
    const parent = document.createElement('div')
    parent.style.height = '100%'
    parent.style.outline = 'none'
    parent.tabIndex = -1
    parent.setAttribute('role', 'group')
    parent.setAttribute('aria-label', label)
    root.replaceChildren(parent)
    const made = new EditorView({
      root, parent,
      state: EditorState.create({
        doc: current.current.value,
        extensions: [
          typeOver, lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(), highlightActiveLine(), highlightSelectionMatches(),
          autocompletion(current.current.complete ? { override: [(c) => complete(c, current.current)] } : {}), syntaxHighlighting(colours), looks, lintGutter(), languages.current.of(languageOf(current.current)),
          EditorState.readOnly.of(readOnly), EditorView.contentAttributes.of({ 'aria-label': label }), EditorView.lineWrapping,
          keymap.of([
            { key: 'Mod-Enter', run: () => { current.current.onRun?.(); return true } },
            { key: 'Shift-Alt-f', run: () => { current.current.onFormat?.(); return current.current.onFormat !== undefined } },
            // Escape leaves the editor with the keyboard: Tab indents within it.
            { key: 'Escape', run: (v) => { leave(v, parent); return true } },
            ...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab,
          ]),
          EditorView.updateListener.of((update) => { if (update.docChanged) current.current.onChange?.(update.state.doc.toString()) }),
        ],
      }),
    })
    view.current = made
    return () => {
      made.destroy()
      view.current = undefined
    }
  }, [label, readOnly])

  useEffect(() => {
    const editor = view.current
    if (!editor) return
    const change = changeTo(editor.state.doc.toString(), value)
    // Somebody else changed it: they are shown where, unless one is typing here.
    if (change) editor.dispatch({ changes: change, effects: editor.hasFocus ? [] : EditorView.scrollIntoView(change.from, { y: 'nearest' }) })
  }, [value])
  useEffect(() => {
    const editor = view.current
    if (!editor || line === undefined || !(line >= 1)) return
    const at = editor.state.doc.line(Math.min(Math.floor(line), editor.state.doc.lines))
    editor.dispatch({ selection: { anchor: at.from }, effects: EditorView.scrollIntoView(at.from, { y: 'center' }) })
    editor.focus()
  }, [line])
  useEffect(() => { view.current?.dispatch({ effects: languages.current.reconfigure(languageOf({ language, tables, functions })) }) }, [language, tables, functions])
  useEffect(() => {
    const editor = view.current
    if (editor) editor.dispatch(setDiagnostics(editor.state, (mistakes ?? []).map((m) => diagnostic(editor.state, m))))
  }, [mistakes])
  useImperativeHandle(ref, () => ({
    focus: () => view.current?.focus(),
    chosen: () => {
      const state = view.current?.state
      if (!state) return { text: current.current.value, line: 1 }
      const { from, to, head, empty } = state.selection.main
      if (!empty) return { text: state.sliceDoc(from, to), line: state.doc.lineAt(from).number }
      return statementAt(state.doc.toString(), head)
    },
    transform: async (change) => {
      const editor = view.current
      if (!editor) return
      const { from, to, empty } = editor.state.selection.main
      const range = empty ? { from: 0, to: editor.state.doc.length } : { from, to }
      const before = editor.state.sliceDoc(range.from, range.to)
      const after = await change(before)
      const now = view.current
      // Whoever typed meanwhile keeps what was typed.
      if (!now || after === before || now.state.sliceDoc(range.from, range.to) !== before) return
      now.dispatch({ changes: { ...range, insert: after }, selection: empty ? { anchor: Math.min(from, after.length) } : { anchor: range.from, head: range.from + after.length }, userEvent: 'input.format', scrollIntoView: true })
      now.focus()
    },
    reveal: (line, column) => {
      const editor = view.current
      if (!editor) return
      const at = editor.state.doc.line(Math.max(1, Math.min(line, editor.state.doc.lines)))
      editor.dispatch({ selection: { anchor: Math.min(at.to, at.from + column - 1) }, scrollIntoView: true })
      editor.focus()
    },
  }), [])
  return <div ref={host} className="h-full min-h-0" />
}

/** leave puts the focus around the text: Tab goes on from there, and not back into it. */
function leave(view: EditorView, around: HTMLElement): void {
  view.contentDOM.tabIndex = -1
  around.focus()
  around.addEventListener('blur', () => { view.contentDOM.tabIndex = 0 }, { once: true })
}

/** changeTo is what has to be written in place of what, so that the cursor and the place stay. */
function changeTo(before: string, after: string): { from: number; to: number; insert: string } | undefined {
  if (before === after) return undefined
  let from = 0
  while (from < before.length && from < after.length && before[from] === after[from]) from++
  let end = 0
  while (end < before.length - from && end < after.length - from && before[before.length - 1 - end] === after[after.length - 1 - end]) end++
  return { from, to: before.length - end, insert: after.slice(from, after.length - end) }
}

/** complete asks the server what may be written. */
async function complete(context: CompletionContext, props: EditorProps): Promise<CompletionResult | null> {
  if (!props.complete || (!context.explicit && !context.matchBefore(/[\w$:] ?$/))) return null
  const line = context.state.doc.lineAt(context.pos)
  const found = await props.complete(context.state.doc.toString(), line.number, context.pos - line.from + 1)
  if (context.aborted || found.items.length === 0) return null
  return {
    from: line.from + found.from - 1, to: line.from + found.to - 1, validFor: /^[\w-]*$/,
    options: found.items.map((item) => ({ label: item.label, apply: item.insert, detail: item.kind === 'field' ? undefined : item.kind, info: item.doc || undefined })),
  }
}

/** diagnostic marks the word at the place of a mistake. */
function diagnostic(state: EditorState, mistake: Mistake) {
  const line = state.doc.line(Math.max(1, Math.min(mistake.line, state.doc.lines)))
  const from = Math.min(line.to, line.from + Math.max(0, mistake.column - 1))
  const word = state.wordAt(from)
  return { from, to: Math.max(word?.to ?? from, Math.min(line.to, from + 1)), severity: 'error' as const, message: mistake.message }
}
