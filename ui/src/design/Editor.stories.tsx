import { useState } from 'react'
import { Editor } from './Editor'

function Example() {
  const [sql, setSql] = useState('SELECT event, count(*) AS n\nFROM web.tracks\nGROUP BY event')
  return <div className="h-40 border border-line"><Editor label="SQL" language="sql" value={sql} onChange={setSql} tables={{ 'web.tracks': ['id', 'event'] }} mistakes={[{ line: 2, column: 6, message: 'web.track does not exist' }]} /></div>
}

export const title = 'Editor'
export const stories = { sql: () => <Example /> }
