import { useQuery } from '@tanstack/react-query'
import { sessionQuery } from './queries'

/** useMay says whether who is signed in has a permission here or on the server. The server decides; this only leaves out what it would refuse. */
export function useMay(): (permission: string) => boolean {
  const { data } = useQuery(sessionQuery)
  return (permission) => data?.everything === true || data?.permissions.includes(permission) === true || data?.server_permissions.includes(permission) === true
}
