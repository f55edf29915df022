import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { membersQuery } from '@/api/control'
import { useMay } from '@/api/may'
import { Button } from '@/design/Button'
import { useKeys } from '@/design/keys'
import { Tabs } from '@/design/Tabs'
import { View } from '@/design/View'
import { plural } from '@/format/format'
import { InviteDialog } from './MemberDialogs'
import { InvitationList, MemberList } from './MemberList'
import { byPerson } from './members'
import { Roles } from './Roles'

const route = getRouteApi('/settings/members')

/** Who is a member of the workspace, who is invited, and what roles may do. */
export default function Members() {
  const { tab = 'members' } = route.useSearch()
  const navigate = route.useNavigate()
  const may = useMay()
  const [inviting, invite] = useState(false)
  const open = () => { invite(true) }
  const list = useInfiniteQuery(membersQuery('workspace'))
  useKeys(may('member:manage') ? [{ keys: 'n', label: 'Invite a member', group: 'Members', run: open }] : [])
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, { title: 'Members' }]} state={list.data && `${plural(byPerson(list.data.pages.flatMap((p) => p.members)).length, 'member')}${list.hasNextPage ? ' and more' : ''}`}
      actions={may('member:manage') && <Button icon="plus" onClick={open}>Invite</Button>}>
      <Tabs label="Views of members" className="grow" tabs={[{ id: 'members', label: 'Members' }, ...(may('member:manage') ? [{ id: 'invitations', label: 'Invitations' }] : []), { id: 'roles', label: 'What roles may do' }]} chosen={tab}
        onChoose={(id) => { void navigate({ search: { tab: id === 'members' ? undefined : id }, replace: true }) }} panelClassName="overflow-auto">
        {tab === 'roles' ? <Roles of="workspace" /> : tab === 'invitations' ? <InvitationList of="workspace" onInvite={open} /> : <MemberList of="workspace" onInvite={open} />}
      </Tabs>
      {inviting && <InviteDialog of="workspace" onClose={() => { invite(false) }} />}
    </View>
  )
}
