import { Link, type ErrorComponentProps } from '@tanstack/react-router'
import { problemOf } from '@/api/client'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { View } from '@/design/View'

export function NotFound() {
  return <View crumbs={[{ title: 'Not found' }]}><Empty icon="search" title="There is no such view" action={<Link to="/" className="text-accent-text underline">Go home</Link>}>The link may be of a newer version, or mistyped. ⌘K finds everything there is.</Empty></View>
}

export function Failed({ error, reset }: ErrorComponentProps) {
  return <View crumbs={[{ title: 'This view failed' }]}><div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={reset} /></div></View>
}
