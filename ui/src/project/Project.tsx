import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { useMay } from '@/api/may'
import { checkQuery, filesQuery, statusQuery } from '@/api/queries'
import type { FileProblem, ProjectFile } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { cx } from '@/design/cx'
import { Dialog } from '@/design/Dialog'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { Input } from '@/design/Input'
import { SkeletonRows } from '@/design/Skeleton'
import { useChoice } from '@/design/theme'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { plural } from '@/format/format'
import { drafts as draftsChoice, keep } from './drafts'
import { FileEditor } from './FileEditor'

const route = getRouteApi('/project')

/** The files of the project, one of them open, and what is wrong with all of it. */
export default function Project() {
  const { file, line } = route.useSearch()
  const navigate = route.useNavigate()
  const [drafts] = useChoice(draftsChoice)
  const [asking, ask] = useState(false)
  const may = useMay()
  const files = useQuery(filesQuery)
  const status = useQuery(statusQuery)
  const texts = Object.fromEntries(Object.entries(drafts).map(([path, d]) => [path, d.text]))
  const check = useQuery(checkQuery(texts))
  const problems = check.data?.problems ?? []
  const open = (path: string | undefined, line?: number) => { void navigate({ search: { file: path, line: line ? String(line) : undefined } }) }
  const project = status.data?.project
  return (
    <View crumbs={[{ title: 'Project', to: file ? '/project' : undefined }, ...(file ? [{ title: file }] : [])]}
      state={<>{check.data && (problems.length > 0 ? <StateDot meaning="bad">{plural(problems.length, 'mistake')}</StateDot> : <StateDot meaning="good">No mistakes</StateDot>)}{project && <span className="max-wide:hidden">read <TimeText at={project.loaded} /></span>}</>}
      actions={may('file:write') && <Button icon="plus" onClick={() => { ask(true) }}>New file</Button>}>
      <div className="flex min-h-0 grow max-wide:flex-col">
        <aside aria-label="Files" className={cx('flex w-60 shrink-0 flex-col overflow-auto border-r border-line p-2 max-wide:w-full max-wide:border-r-0', file && 'max-wide:hidden')}>
          {files.error && !files.data ? <ErrorBox problem={problemOf(files.error)} onRetry={() => void files.refetch()} /> : !files.data ? <SkeletonRows /> : <Files files={files.data.files} drafts={Object.keys(drafts)} problems={problems} open={file} onOpen={open} />}
        </aside>
        <div className="flex min-h-0 min-w-0 grow flex-col">
          {file ? <FileEditor key={file} path={file} line={line === undefined ? undefined : Number(line)} problems={problems.filter((p) => p.path === file)} reloads={files.data?.reloads ?? true} versioned={(files.data?.version ?? 0) > 0} onMoved={open} />
            : <Nothing problems={problems} served={project?.problems ?? []} onOpen={open} />}
        </div>
      </div>
      {asking && <NewFile taken={files.data?.files.map((f) => f.path) ?? []} onClose={() => { ask(false) }} onMade={(path) => { ask(false); keep(path, { text: '', before: '' }); open(path) }} />}
    </View>
  )
}

interface FilesProps { files: ProjectFile[]; drafts: string[]; problems: FileProblem[]; open: string | undefined; onOpen: (path: string) => void }

function Files({ files, drafts, problems, open, onOpen }: FilesProps) {
  const fresh = drafts.filter((path) => !files.some((f) => f.path === path)).map((path) => ({ path, folder: path.includes('/') ? path.slice(0, path.indexOf('/')) : '', editable: true }))
  const all = [...files, ...fresh].sort((a, b) => a.path.localeCompare(b.path))
  const folders = [...new Set(all.map((f) => f.folder))].sort()
  return (
    <>
      {folders.map((folder) => (
        <section key={folder} aria-label={folder || 'Files of the project'} className="mb-2">
          {folder && <h2 className="flex h-7 items-center gap-2 px-1 text-12 font-medium text-soft"><Icon name="project" size={14} />{folder}</h2>}
          <ul>
            {all.filter((f) => f.folder === folder).map((f) => {
              const wrong = problems.filter((p) => p.path === f.path).length
              return (
                <li key={f.path}><button type="button" disabled={!f.editable} aria-current={f.path === open ? 'page' : undefined} title={f.editable ? f.path : `${f.path} is no text that is edited here`} onClick={() => { onOpen(f.path) }}
                  className={cx('flex h-7 w-full items-center gap-2 rounded-inner pr-2 text-left hover:bg-hover disabled:text-faint aria-[current]:bg-accent-tint aria-[current]:text-accent-text', folder ? 'pl-5' : 'pl-1')}>
                  <Icon name="file" size={14} className="text-faint" /><span className="min-w-0 grow truncate">{folder ? f.path.slice(folder.length + 1) : f.path}</span>
                  {wrong > 0 && <Badge meaning="bad">{wrong}</Badge>}{drafts.includes(f.path) && <span title="Not saved" className="size-2 rounded-full bg-warning"><span className="sr-only">not saved</span></span>}
                </button></li>
              )
            })}
          </ul>
        </section>
      ))}
    </>
  )
}

function Nothing({ problems, served, onOpen }: { problems: FileProblem[]; served: string[]; onOpen: (path: string, line: number) => void }) {
  if (problems.length === 0 && served.length === 0) return <Empty icon="project" title="The project is its files">Choose one to read or change it. What you type is checked as <code className="font-mono text-12">millrace check</code> does, and shown as a difference before it is saved.</Empty>
  return (
    <div className="grid gap-4 overflow-auto p-4">
      {served.length > 0 && <p className="rounded-outer bg-warning-tint px-3 py-2">The last good version goes on: what was saved since has mistakes.</p>}
      <Problems problems={problems} onOpen={onOpen} />
    </div>
  )
}

function Problems({ problems, onOpen }: { problems: FileProblem[]; onOpen: (path: string, line: number) => void }) {
  return (
    <ul>
      {problems.map((p, i) => (
        <li key={i}><button type="button" onClick={() => { onOpen(p.path, p.line) }} className="flex w-full items-start gap-2 rounded-inner px-2 py-1.5 text-left hover:bg-hover">
          <Icon name="rejected" className="mt-0.5 text-bad-text" /><span className="min-w-0"><span className="font-mono text-12 text-soft">{p.path}{p.line > 0 && `:${p.line}:${p.column}`}</span><span className="block break-words whitespace-pre-wrap">{p.message}</span></span>
        </button></li>
      ))}
    </ul>
  )
}

function NewFile({ taken, onClose, onMade }: { taken: string[]; onClose: () => void; onMade: (path: string) => void }) {
  const [path, setPath] = useState('sources/')
  const clean = path.trim().replace(/^\/+/, '')
  const problem = taken.includes(clean) ? 'There is such a file' : /(^|\/)\.\.?(\/|$)/.test(clean) ? 'It has to lie in the project' : undefined
  return (
    <Dialog title="New file" onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={problem !== undefined || clean === '' || clean.endsWith('/')} onClick={() => { onMade(clean) }}>Write it</Button></>}>
      <form onSubmit={(e) => { e.preventDefault(); if (!problem && clean && !clean.endsWith('/')) onMade(clean) }}>
        <Input label="Path" mono value={path} onChange={(e) => { setPath(e.target.value) }} problem={problem} hint="sources/web.yaml is a source called web. Nothing is saved yet." />
      </form>
    </Dialog>
  )
}
