import { expect, test } from 'vitest'
import type { Backup, BackupList, Job } from '@/api/schema'
import { everyText, keepText, shareOf, standing } from './backups'

const now = Date.parse('2026-11-21T12:00:00Z')
const one = (taken: string, problem?: string) => ({ id: taken, taken, problem, size_bytes: 1000 }) as Backup
const list = (change: Partial<BackupList>): BackupList => ({ target: 'file:/mnt/backup', every_seconds: 3600, keep: '', backups: [], ...change })

test('how backups go', () => {
  expect(standing(list({ target: '' }), now).word).toBe('No place for them yet')
  expect(standing(list({}), now).word).toBe('None yet')
  expect(standing(list({ backups: [one('2026-11-21T11:30:00Z')] }), now).meaning).toBe('good')
  expect(standing(list({ backups: [one('2026-11-21T11:30:00Z', 'damaged'), one('2026-11-21T09:30:00Z')] }), now).word).toBe('Late')
  expect(standing(list({ every_seconds: 0, backups: [one('2026-11-01T09:30:00Z')] }), now).word).toBe('Taken by hand')
  expect(standing(list({ problem: 'the disk is full', backups: [one('2026-11-21T11:30:00Z')] }), now).meaning).toBe('bad')
})

test('the schedule in words', () => {
  expect([everyText(0), everyText(3600), everyText(7200)]).toEqual(['only when somebody asks for it', 'every hour', 'every 2 h'])
  expect([keepText(''), keepText('last=3,daily=7')]).toEqual(['all of them', 'the last 3, 7 daily'])
})

test('how far it is', () => {
  const job = (done: number, total: number) => ({ done, total }) as Job
  expect([shareOf(job(5, 10), undefined), shareOf(job(5, 0), undefined), shareOf(job(500, 0), one('x')), shareOf(job(5000, 0), one('x'))]).toEqual([0.5, undefined, 0.5, 0.95])
})
