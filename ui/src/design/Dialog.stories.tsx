import { useState } from 'react'
import { Button } from './Button'
import { Dialog } from './Dialog'

function Example() {
  const [open, setOpen] = useState(false)
  return <>
    <Button onClick={() => { setOpen(true) }}>Begin again</Button>
    {open && <Dialog title="Let the archive begin again?" onClose={() => { setOpen(false) }} actions={<><Button look="quiet" onClick={() => { setOpen(false) }}>Cancel</Button><Button look="danger">Begin again</Button></>}>It reads 53,628 records once more. Nothing is lost.</Dialog>}
  </>
}
export const title = 'Dialog'
export const stories = { question: () => <Example /> }
