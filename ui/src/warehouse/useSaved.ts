import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { call, problemOf } from '@/api/client'
import { fileQuery, filesQuery } from '@/api/queries'
import type { Problem } from '@/api/schema'
import { toast } from '@/design/Toast'
import { fileText, nameOf, savedOf } from './saved'
import { change, isChanged, moved, openFile, tabs, type SqlTab } from './tabs'

export type Dialog = { kind: 'save as' } | { kind: 'rename' } | { kind: 'conflict'; conflict: NonNullable<Problem['conflict']> }

/** useSaved keeps the open tab and its file together. */
export function useSaved(tab: SqlTab | undefined) {
  const client = useQueryClient()
  const files = useQuery(filesQuery)
  const saved = savedOf(files.data?.files)
  const [dialog, setDialog] = useState<Dialog>()
  const [busy, setBusy] = useState(false)
  const again = () => client.invalidateQueries({ queryKey: ['files'] })
  const put = (id: string, next: Partial<SqlTab>) => { tabs.set(change(tabs.get(), id, next)) }

  /** open opens a saved query by its file. */
  const open = async (path: string) => {
    try {
      const file = await client.fetchQuery({ ...fileQuery(path), staleTime: 0 })
      tabs.set(openFile(tabs.get(), path, file.text, file.etag))
      return true
    } catch (thrown) {
      toast(`${nameOf(path)} cannot be opened: ${problemOf(thrown).detail}`, { meaning: 'bad' })
      return false
    }
  }

  // What somebody else saved is taken over where nothing was typed.
  const listed = tab?.file === undefined ? undefined : saved.find((f) => f.path === tab.file)
  const stale = tab !== undefined && listed?.etag !== undefined && tab.etag !== undefined && listed.etag !== tab.etag && !busy
  const changed = tab !== undefined && isChanged(tab)
  const path = tab?.file
  useEffect(() => {
    if (!stale || changed || path === undefined) return
    void client.fetchQuery({ ...fileQuery(path), staleTime: 0 }).then((file) => { tabs.set(openFile(tabs.get(), path, file.text, file.etag)) }).catch(() => undefined)
  }, [stale, changed, path, client])

  const write = async (of: SqlTab, to: string, etag: string | undefined) => {
    const text = fileText(of.sql)
    setBusy(true)
    try {
      const done = await call('save-file', { params: { path: to }, body: { text, etag } })
      put(of.id, { file: to, etag: done.etag, base: text })
      setDialog(undefined)
      toast(`Saved as ${to}`, { meaning: 'good' })
    } catch (thrown) {
      const problem = problemOf(thrown)
      if (problem.conflict) setDialog({ kind: 'conflict', conflict: problem.conflict })
      else toast(`Not saved: ${problem.detail}`, { meaning: 'bad' })
    } finally {
      setBusy(false)
      await again()
    }
  }

  return {
    saved, known: files.data !== undefined, dialog, setDialog, busy, open, stale: stale && changed,
    /** attach makes the tab that of a file which was just saved. */
    attach: (file: string, text: string, etag: string) => {
      if (tab) put(tab.id, { file, etag, base: text })
      setDialog(undefined)
      toast(`Saved as ${file}`, { meaning: 'good' })
      void again()
    },
    save: () => {
      if (!tab || tab.sql.trim() === '') return
      if (tab.file === undefined) setDialog({ kind: 'save as' })
      else if (isChanged(tab)) void write(tab, tab.file, tab.etag)
    },
    /** overwrite saves over what somebody else has saved. */
    overwrite: (etag: string | undefined) => { if (tab?.file !== undefined) void write(tab, tab.file, etag === '' ? undefined : etag) },
    takeTheirs: (conflict: NonNullable<Problem['conflict']>) => {
      if (tab) put(tab.id, { sql: conflict.text, base: conflict.text, etag: conflict.etag })
      setDialog(undefined)
    },
    undo: () => { if (tab?.base !== undefined) put(tab.id, { sql: tab.base }) },
    renamed: (to: string) => {
      if (tab?.file !== undefined) tabs.set(moved(tabs.get(), tab.file, to))
      setDialog(undefined)
      toast(`Renamed to ${nameOf(to)}`, { meaning: 'good' })
      void again()
    },
    remove: async () => {
      if (tab?.file === undefined || tab.etag === undefined) return
      const { file, etag, base = '', id } = tab
      try {
        await call('remove-file', { params: { path: file, etag } })
      } catch (thrown) {
        const problem = problemOf(thrown)
        if (problem.conflict) setDialog({ kind: 'conflict', conflict: problem.conflict })
        else toast(`Not deleted: ${problem.detail}`, { meaning: 'bad' })
        return
      }
      tabs.set(moved(tabs.get(), file, undefined))
      await again()
      toast(`${nameOf(file)} is deleted; its text stays open`, { action: { label: 'Undo', run: () => {
        call('save-file', { params: { path: file }, body: { text: base } }).then((done) => {
          put(id, { file, etag: done.etag, base })
          void again()
        }).catch((thrown: unknown) => { toast(`Not brought back: ${problemOf(thrown).detail}`, { meaning: 'bad' }) })
      } } })
    },
  }
}
