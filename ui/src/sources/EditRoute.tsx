import { getRouteApi } from '@tanstack/react-router'
import EditSource from './EditSource'

const route = getRouteApi('/sources/$source/edit')

/** The route of a source's form. */
export default function EditRoute() {
  const { source } = route.useParams()
  const { tab } = route.useSearch()
  return <EditSource key={source} source={source} tab={tab} />
}
