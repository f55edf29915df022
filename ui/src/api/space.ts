// Where one is: in which environment of which workspace. The address of the page
// says it, /w/acme@staging/live, and stays the same until the page is loaded anew:
// what one space has in memory no other sees.

/** spaceIn is the space that a path of the page names; empty is the default one. */
export function spaceIn(path: string): string {
  return /^\/w\/(@?[a-z0-9][a-z0-9-]*(?:@[a-z0-9-]+)?)(?=\/|$)/.exec(path)?.[1] ?? ''
}

let address = typeof window === 'undefined' ? '' : spaceIn(location.pathname)

/** here is the address of the space; empty for the default one. */
export const here = (): string => address

/** setHere tells a worker where its page is. */
export function setHere(space: string): void {
  address = space
}

/** pageOf is where the page of a space begins. */
export const pageOf = (space: string): string => space === '' ? '' : `/w/${space}`

// These are about who asks, wherever they are.
const ofNowhere = /^\/api\/v1\/(setup|invitations|email|password|profile|people|operators|workspaces)(\/|$)/

/** inSpace is a path of the API, asked in a space. */
export function inSpace(path: string, space = address): string {
  return space === '' || !path.startsWith('/api/v1/') || ofNowhere.test(path) ? path : `/api/v1/w/${space}${path.slice('/api/v1'.length)}`
}

// The id of the default space: what the browser keeps of it has no other name than it always had.
export const defaultSpace = 'default'
let id = ''

/** noteSpace keeps the id of the space, which stays when names change. */
export function noteSpace(space: string): void {
  id = space
}

/** apart is a name in the browser's storage for something of this space. */
export const apart = (name: string): string => id === '' || id === defaultSpace ? name : `${id}.${name}`
