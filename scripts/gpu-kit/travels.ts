/**
 * What a copy of the working tree consists of, how large it is, and where the weight is.
 */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { visibleFiles } from './git.ts'

export interface Traveller {
  readonly path: string
  readonly bytes: number
}

/** Tracked and untracked files that git does not ignore, but those of `without`; and the ignored ones of `carried`. */
export function travellers(
  root: string,
  { carried, without = [] }: { readonly carried: readonly string[]; readonly without?: readonly string[] },
): Traveller[] {
  const stays = new Set(without)
  const files = new Set([...visibleFiles(root).filter((file) => !stays.has(file)), ...carried])
  return [...files].map((path) => ({ path, bytes: lstatSync(join(root, path)).size }))
}

export function totalOf(files: readonly Traveller[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** A row for each folder, two deep, the heaviest first. */
export function weightTable(files: readonly Traveller[], rows = 14): string[] {
  const folders = Map.groupBy(files, ({ path }) => path.split('/').slice(0, -1).slice(0, 2).join('/') || '.')
  const sums = [...folders]
    .map(([folder, inside]) => ({ folder, count: inside.length, bytes: totalOf(inside) }))
    .toSorted((a, b) => b.bytes - a.bytes)
  const line = (bytes: number, what: string): string => `${mebibytes(bytes).padStart(8)} MiB  ${what}`
  const shown = sums
    .slice(0, rows)
    .map(({ folder, count, bytes }) => line(bytes, `${folder} (${count} files)`))
  const rest = sums.slice(rows)
  if (rest.length > 0)
    shown.push(
      line(
        rest.reduce((sum, { bytes }) => sum + bytes, 0),
        `${rest.length} other folders`,
      ),
    )
  return [...shown, line(totalOf(files), `in all (${files.length} files)`)]
}

/** Throws E_USAGE when it is too much, with what is heaviest. */
export function expectWithin(files: readonly Traveller[], limit: number): void {
  const total = totalOf(files)
  if (total <= limit) return
  const heaviest = files.toSorted((a, b) => b.bytes - a.bytes).slice(0, 5)
  throw new TrituneError(
    'E_USAGE',
    `${mebibytes(total)} MiB would travel, at most ${mebibytes(limit)} MiB can: ${heaviest.map(({ path, bytes }) => `${path} ${mebibytes(bytes)}`).join(', ')}`,
    { remedy: 'remove or ignore what is not needed, or add it to scripts/gpu-kit/contents.ts' },
  )
}

export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
