import { useQuery } from '@tanstack/react-query'
import { Link, Navigate, Outlet } from '@tanstack/react-router'
import { sessionQuery } from '@/api/queries'
import { Empty } from '@/design/Empty'
import { Icon } from '@/design/Icon'
import { roving } from '@/design/roving'
import { useMedia } from '@/design/useMedia'
import { View } from '@/design/View'
import { sectionsOf } from './sections'

/** The list of sections on the left, the one that is open beside it; on a phone one after the other. */
export default function Settings() {
  return (
    <div className="flex h-full min-h-0">
      <aside aria-label="Sections of Settings" className="flex w-50 shrink-0 flex-col border-r border-line max-wide:hidden">
        <div className="flex h-12 shrink-0 items-center border-b border-line px-4 text-15 font-semibold">Settings</div>
        <Sections />
      </aside>
      <div className="min-h-0 min-w-0 grow"><Outlet /></div>
    </div>
  )
}

/** What is shown where no section is named: the list on a phone, else the first of it. */
export function SettingsIndex() {
  const narrow = useMedia('(max-width: 759.98px)')
  const sections = sectionsOf(useQuery(sessionQuery).data)
  // What belongs to a person comes first in the list, and is not what one opens Settings for.
  const first = sections.find((s) => s.group !== 'You') ?? sections[0]
  if (!first) return <View crumbs={[{ title: 'Settings' }]}><Empty icon="settings" title="There is nothing for you to set">Your role here lets you look at data, and set nothing. Someone who manages the members of the workspace can give you another.</Empty></View>
  if (!narrow) return <Navigate to={first.to} replace />
  return <View crumbs={[{ title: 'Settings' }]} scroll><Sections about /></View>
}

function Sections({ about = false }: { about?: boolean }) {
  const sections = sectionsOf(useQuery(sessionQuery).data)
  const groups = [...new Set(sections.map((s) => s.group))]
  return (
    // One stop of the Tab key: arrows move in it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <nav aria-label="Settings" onKeyDown={roving} className="min-h-0 grow overflow-auto p-2">
      {groups.map((group) => (
        <section key={group} aria-label={group} className="mb-2">
          {groups.length > 1 && <h2 className="px-2 pt-2 pb-1 text-11 font-medium text-faint">{group}</h2>}
          <ul>
            {sections.filter((s) => s.group === group).map((s) => (
              <li key={s.to}>
                <Link to={s.to} activeOptions={{ includeSearch: false }}
                  className="flex min-h-8 items-center gap-2.5 rounded-outer px-2 py-1 text-soft transition-colors hover:bg-hover hover:text-ink aria-[current]:bg-accent-tint aria-[current]:font-medium aria-[current]:text-accent-text">
                  <Icon name={s.icon} />
                  <span className="min-w-0 grow"><span className="block truncate">{s.title}</span>{about && <span className="block truncate text-12 text-faint">{s.about}</span>}</span>
                  {about && <Icon name="right" size={12} className="text-faint" />}
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  )
}
