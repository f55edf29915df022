import type { ReactNode } from 'react'
import { Link } from '@tanstack/react-router'

/** What stands before the page when one is not in yet: a sign and a form. */
export function Door({ title, about, children, footer }: { title: string; about?: ReactNode; children?: ReactNode; footer?: ReactNode }) {
  return (
    <main className="grid h-full place-items-center overflow-auto bg-sunken p-4">
      <title>{`${title} · Millrace`}</title>
      <div className="grid w-full max-w-96 grid-cols-[minmax(0,1fr)] gap-4 rounded-outer bg-surface p-6 shadow-float">
        <div className="flex items-center gap-2.5"><img src="/favicon.svg" alt="" width={28} height={28} /><h1 className="text-20 font-semibold">{title}</h1></div>
        {about && <div className="text-soft">{about}</div>}
        {children}
        {footer && <div className="border-t border-line pt-3 text-12 text-soft">{footer}</div>}
      </div>
    </main>
  )
}

/** The way to the sign-in, for who came by a link that does not work. */
export const Home = ({ children = 'Go to the sign-in' }: { children?: ReactNode }) => <Link to="/" className="rounded-inner text-accent-text underline underline-offset-2">{children}</Link>
