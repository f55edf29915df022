const mac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.userAgent)

const signs: Record<string, string> = { Mod: mac ? '⌘' : 'Ctrl', Shift: mac ? '⇧' : 'Shift', Enter: '↵', Up: '↑', Down: '↓', Left: '←', Right: '→', Escape: 'Esc' }

/** Keys to press: "Mod+K" is ⌘ K on a Mac and Ctrl K elsewhere; "g then l" is one after the other. */
export function Kbd({ keys, plain = false }: { keys: string; plain?: boolean }) {
  const words = keys.split(/(?<=.)\+|\s+/).map((key) => signs[key] ?? (key.length === 1 ? key.toUpperCase() : key))
  return (
    <span className={`inline-flex items-center font-mono text-11 ${plain ? 'gap-1' : 'gap-0.5'}`}>
      {words.map((word, i) => word === 'then'
        ? <span key={i} className="px-0.5 font-sans">then</span>
        : <kbd key={i} className={plain ? 'font-mono' : 'inline-block min-w-5 rounded-inner border border-line-strong bg-sunken px-1 text-center font-mono leading-4.5 text-soft'}>{word}</kbd>)}
    </span>
  )
}
