import { Bytes, NumberText } from './NumberText'

export const title = 'NumberText, Bytes'
export const stories = { numbers: () => <div className="grid gap-1"><NumberText value={53628} /><NumberText value={53628} short /><Bytes value={1843200} /><Bytes value={undefined} /></div> }
