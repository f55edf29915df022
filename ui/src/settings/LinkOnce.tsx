import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { Dialog } from '@/design/Dialog'
import { Icon } from '@/design/Icon'
import { TimeText } from '@/design/TimeText'

/** A link that lets somebody in: shown this once. */
export function LinkOnce({ title, about, link, expires, onClose }: { title: string; about: string; link: string; expires: string; onClose: () => void }) {
  return (
    <Dialog stays title={title} onClose={onClose} actions={<Button look="main" onClick={onClose}>I have copied it</Button>}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
        <p className="flex gap-2 rounded-outer bg-warning-tint px-3 py-2"><Icon name="rejected" className="mt-0.5 text-warning-text" /><span>Copy it now: it is shown this once. Whoever opens it first is let in, so give it to nobody else.</span></p>
        <CodeBlock label="Link" code={link} wrap className="[&_pre]:break-all [&_pre]:select-all" />
        <p className="text-soft">{about} It works once, until <TimeText at={expires} full />.</p>
      </div>
    </Dialog>
  )
}
