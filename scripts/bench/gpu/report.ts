/**
 * What a GPU run found, as the part of docs/benchmarks.md between two markers. Only what ran on a GPU gets there: a journal
 * that says "emulated" anywhere, or that does not name its GPU, is refused.
 */
import { TrituneError } from '../../../core/errors.ts'
import type { Computer, Journal } from './journal.ts'
import { formatTable, type GpuResult } from './result.ts'
import { SECTION_NAMES } from './sections.ts'

export const BEGIN = '<!-- gpu: written by scripts/bench/gpu-report.ts -->'
export const END = '<!-- gpu: end -->'

/** The device that all of a run's sections computed on. Throws E_DATA when it was none, several, or the emulator. */
export function gpuOf({ head, devices }: Journal, place: string): Computer {
  const refuse = (what: string): TrituneError =>
    new TrituneError('E_DATA', what, {
      place,
      remedy: 'numbers of a GPU come from `bun scripts/bench/gpu.ts` on a machine that has one',
    })
  if (head.emulated || devices.some(({ library }) => library !== 'cuda'))
    throw refuse('this run was emulated: its numbers are not those of a GPU')
  const [first] = devices
  if (!first || first.name === '') throw refuse('no section of this run has opened a GPU')
  const other = devices.find(({ name, sources }) => name !== first.name || sources !== first.sources)
  if (other)
    throw refuse(`its sections ran on different devices or libraries: ${first.name} and ${other.name}`)
  return first
}

/** The text for between the markers. Of a section that several runs have, the last one counts. */
export function reportOf(runs: readonly { readonly journal: Journal; readonly place: string }[]): string {
  const told = runs.map(({ journal, place }) => ({ journal, gpu: gpuOf(journal, place) }))
  const lines: string[] = []
  for (const { journal, gpu } of told) {
    const { date, command, seed } = journal.head
    lines.push(
      `${gpu.name}, driver for CUDA ${cuda(gpu.driver)}, library of CUDA ${cuda(gpu.runtime)} (sources ${gpu.sources.slice(0, 12)}); ${date}; seed ${seed}:`,
      '',
      `\`${command}\``,
      '',
    )
  }
  for (const section of SECTION_NAMES) {
    const run = told.findLast(({ journal }) => journal.results.some((result) => result.section === section))
    if (run) lines.push(...sectionLines(section, run.journal), '')
  }
  return lines.join('\n').trimEnd()
}

/** `text` with `report` between the markers. Throws E_FORMAT when they are not there once each. */
export function insertReport(text: string, report: string, place: string): string {
  const parts = text.split(BEGIN)
  const [, rest = ''] = parts
  const ends = text.split(END).length - 1
  if (parts.length !== 2 || ends !== 1 || !rest.includes(END))
    throw new TrituneError('E_FORMAT', `expected one "${BEGIN}" and after it one "${END}"`, { place })
  return `${parts[0]}${BEGIN}\n\n${report}\n\n${END}${rest.split(END)[1]}`
}

/** A path of a machine is no result: its last part stays. */
export function withoutFolders(text: string): string {
  return text.replace(/(?<![\w.:/])\/(?:[\w.@+-]+\/)+([\w.@+-]+)/g, '…/$1')
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function sectionLines(section: string, { results, ended }: Journal): string[] {
  const rows = results
    .filter((result) => result.section === section)
    .map((result): GpuResult => ({ ...result, note: withoutFolders(result.note) }))
  const lines = [`#### ${section}`, '']
  if (!ended.has(section)) lines.push('It did not come to its end; this is what it had found.', '')
  return [...lines, ...formatTable(rows)]
}

/** 13000 → 13.0 */
function cuda(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`
}
