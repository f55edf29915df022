import { roles, type Role } from '@/api/permissions'
import { Icon } from '@/design/Icon'
import { sentence } from '@/format/format'
import { aboutOperators, aboutRoles, levels, operatorRoles } from './members'

/** What each role may do: the table that the server decides by. */
export function Roles({ of }: { of: 'workspace' | 'server' }) {
  const shown = of === 'server' ? operatorRoles : roles
  const about = (role: Role) => of === 'server' ? aboutOperators[role] : aboutRoles[role]
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-6 p-4">
      <dl className="grid max-w-180 gap-x-4 gap-y-1.5 wide:grid-cols-[80px_minmax(0,1fr)]">{shown.map((role) => <div key={role} className="contents"><dt className="font-medium">{sentence(role)}</dt><dd className="text-soft">{about(role)}</dd></div>)}</dl>
      {levels(of).map((level) => (
        <section key={level.title} aria-label={level.title}>
          <h2 className="text-13 font-semibold">{level.title}</h2>
          <p className="mb-2 text-12 text-soft">{level.about}</p>
          {/* Wider than a phone: the keyboard scrolls it. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <div tabIndex={0} role="region" aria-label={`${level.title}: who may do what`} className="relative overflow-x-auto -outline-offset-2">
            <table className="w-full min-w-150 max-w-240 border-collapse text-12">
              <thead><tr className="border-b border-line text-left text-soft"><th scope="col" className="py-1.5 pr-3 font-medium">Lets one</th>{shown.map((role) => <th key={role} scope="col" className="w-18 px-1 py-1.5 text-center font-medium">{sentence(role)}</th>)}</tr></thead>
              <tbody>
                {level.permissions.map((p) => (
                  <tr key={p.name} className="border-b border-line/60">
                    <th scope="row" className="py-1.5 pr-3 text-left font-normal"><span className="block">{p.lets}</span><code className="font-mono text-11 text-soft">{p.name}{p.anywhere && ' *'}</code></th>
                    {shown.map((role) => <td key={role} className="px-1 text-center">{p.roles.includes(role) ? <><Icon name="check" size={14} className="mx-auto text-good-text" /><span className="sr-only">yes</span></> : <span className="sr-only">no</span>}</td>)}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ))}
    </div>
  )
}
