// How backups go, as the page shows it.
import type { Backup, BackupList, Job } from '@/api/schema'
import type { Meaning } from '@/design/Badge'
import { duration } from '@/format/format'

/** standing says how backups go. now is when it is asked. */
export function standing(list: BackupList, now: number): { meaning: Meaning; word: string } {
  const newest = list.backups.find((b) => !b.problem)
  if (list.problem) return { meaning: 'bad', word: 'The last one failed' }
  if (list.target === '') return { meaning: 'warning', word: 'No place for them yet' }
  if (!newest) return { meaning: 'warning', word: 'None yet' }
  if (list.every_seconds > 0 && now - Date.parse(newest.taken) > list.every_seconds * 2000) return { meaning: 'warning', word: 'Late' }
  return { meaning: 'good', word: list.every_seconds > 0 ? 'By the schedule' : 'Taken by hand' }
}

/** everyText says how often. */
export const everyText = (seconds: number): string => seconds === 0 ? 'only when somebody asks for it' : seconds === 3600 ? 'every hour' : seconds === 86_400 ? 'every day' : `every ${duration(seconds * 1000)}`

/** keepText says which backups stay. */
export function keepText(keep: string): string {
  if (keep === '') return 'all of them'
  return keep.split(',').map((rule) => { const [name = '', count = ''] = rule.split('='); return name === 'last' ? `the last ${count}` : `${count} ${name}` }).join(', ')
}

/** shareOf is how far a backup is: of one that is taken as much as the one before held is awaited, and never all of it. */
export function shareOf(job: Job, before: Backup | undefined): number | undefined {
  if (job.total > 0) return job.done / job.total
  return before && before.size_bytes > 0 ? Math.min(0.95, job.done / before.size_bytes) : undefined
}

/** config is what to write into millrace.yaml where there is no backup yet. */
export const config = `backup:
  # or file:/mnt/backup
  to: s3://backups/shop?region=eu-west-2
  key_file: /etc/millrace/backup.key
  every: 1h
  keep: {last: 3, daily: 7, weekly: 4, monthly: 12}`
