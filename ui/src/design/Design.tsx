// Every component in every state: the route /design of development builds.
import type { ReactNode } from 'react'
import { theme, useChoice, type Theme } from './theme'
import { Tabs } from './Tabs'

interface Story { title: string; stories: Record<string, () => ReactNode> }

const all = import.meta.glob<Story>('./*.stories.tsx', { eager: true })

export default function Design() {
  const [chosen, choose] = useChoice(theme)
  return (
    <Tabs label="Theme" className="h-full" tabs={[{ id: 'light', label: 'Light' }, { id: 'dark', label: 'Dark' }, { id: 'system', label: 'System' }]} chosen={chosen} onChoose={(id) => { choose(id as Theme) }} panelClassName="overflow-auto p-6">
      <h1 className="mb-6 text-20 font-semibold">Design</h1>
      <div className="grid gap-8">
        {Object.entries(all).map(([file, { title, stories }]) => (
          <section key={file} aria-label={title} className="grid gap-3">
            <h2 className="text-15 font-semibold">{title}</h2>
            {Object.entries(stories).map(([name, Render]) => <div key={name} className="grid gap-1"><h3 className="text-11 text-faint">{name}</h3><div><Render /></div></div>)}
          </section>
        ))}
      </div>
    </Tabs>
  )
}
