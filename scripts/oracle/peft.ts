/**
 * `bun run oracle peft`: every method of PEFT on a tiny random llama, as a table of methods × checks.
 *
 *   a  PEFT's adapter: our logits, and our gradients of every trained tensor
 *   b  twenty steps of AdamW from there: the losses
 *   c  our files of the trained adapter: the keys of the configuration, the tensors, and the logits when PEFT loads them
 *   d  our merged weights
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { type Device, TrituneError } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { saveAdapter } from '../../plugins/peft/mod.ts'
import { logitsOf, readFloats, relativeError, temporaryFolder } from '../../tests/_golden.ts'
import {
  configDifferences,
  measureGradients,
  measureLogits,
  measureMerge,
  measureSteps,
  type MethodCase,
  openMethod,
  readConfig,
  tensorDifferences,
} from '../../tests/plugins/peft/_methods.ts'
import { ROOT } from '../_setup.ts'
import { pythonVersions } from './_python.ts'
import { formatRow } from './_row.ts'
import { loadedRows, type SavedCombination, severalRows } from './several.ts'

const SCRIPT = join(ROOT, 'tests/oracle/peft_methods.py')
const SEVERAL_SCRIPT = join(ROOT, 'tests/oracle/peft_several.py')
/** The name of the second table. */
const SEVERAL = 'several'

/** Columns of the table; with what is allowed. */
const CHECKS = {
  'a logits': 1e-5,
  'a gradients': 1e-5,
  'b 20 steps': 1e-4,
  'c config': 0,
  'c tensors': 0,
  'c in PEFT': 1e-5,
  'd merge': 1e-5,
} as const

type Check = keyof typeof CHECKS

interface Cell {
  readonly ok: boolean
  readonly text: string
  readonly detail?: string
}

interface MethodRow {
  readonly name: string
  readonly cells: Map<Check, Cell>
  /** Says why it could not be run. */
  error?: string
  isLater?: boolean
  /** What PEFT is asked to load. */
  saved?: { readonly folder: string; readonly base: string; readonly logits: Float32Array }
}

/** True when every check of every method is within its tolerance. `variants`: names of rows, `several` for the second table; none: all. */
export function runPeftOracle(python: string, variants: readonly string[]): boolean {
  const device = openCpu()
  console.log(`${device.description}; ${pythonVersions(python)}`)
  using temporary = temporaryFolder()
  const theirs = join(temporary.path, 'peft')
  const isSeveralGood =
    variants.length > 0 && !variants.includes(SEVERAL) ? true : tellSeveral(python, temporary.path, device)
  if (variants.length === 1 && variants[0] === SEVERAL) return isSeveralGood
  const methods = variants.filter((name) => name !== SEVERAL)
  const names = methods.length > 0 ? methods : lines(runScript(python, ['list']))
  runScript(python, ['write', theirs, ...names])
  const rows = names.map((name) =>
    measure(openMethod(join(theirs, name)), device, join(temporary.path, 'ours', name)),
  )
  readByPeft(python, temporary.path, rows)
  console.log(
    `\n${'method'.padEnd(18)}${Object.keys(CHECKS)
      .map((check) => check.padStart(12))
      .join('')}`,
  )
  for (const row of rows) console.log(shown(row))
  const good = rows.filter(isGood).length
  console.log(`\n${good} of ${rows.length} methods pass every check`)
  return good === rows.length && isSeveralGood
}

/** The table of several adapters on one model. */
function tellSeveral(python: string, path: string, device: Device): boolean {
  const folder = join(path, SEVERAL)
  runScript(python, [folder], SEVERAL_SCRIPT)
  const saved: SavedCombination[] = []
  const rows = [...severalRows(device, folder, saved)]
  const loaded = loadInPeft(python, path, saved)
  rows.push(...loadedRows(saved, (at) => loaded.get(at) ?? ['PEFT says nothing']))
  console.log('\nseveral adapters')
  for (const row of rows) console.log(formatRow(row))
  const good = rows.filter(({ ok }) => ok).length
  console.log(`\n${good} of ${rows.length} checks of several adapters pass`)
  return good === rows.length
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function measure(golden: MethodCase, device: Device, folder: string): MethodRow {
  const row: MethodRow = { name: golden.info.variant, cells: new Map() }
  const put = (check: Check, error: number, detail?: string): void =>
    void row.cells.set(check, { ok: error <= CHECKS[check], text: error.toExponential(1), detail })
  try {
    put('a logits', measureLogits(golden, device).error)
    const gradients = measureGradients(golden, device)
    put('a gradients', gradients.error, gradients.worst)
    const steps = measureSteps(golden, device, (model, adapter) => {
      mkdirSync(folder, { recursive: true })
      saveAdapter(folder, adapter, { baseModel: golden.info.base })
      row.saved = { folder, base: golden.base, logits: Float32Array.from(logitsOf(model, golden.sequences)) }
    })
    put('b 20 steps', steps)
    const trained = join(golden.folder, 'trained')
    row.cells.set('c config', same(configDifferences(readConfig(folder), readConfig(trained))))
    row.cells.set('c tensors', same(tensorDifferences(folder, trained)))
    if (golden.info.merges) put('d merge', measureMerge(golden, device))
    else row.cells.set('d merge', { ok: true, text: '–' })
    const { ids, rows, length } = golden.sequences
    const lists = Array.from({ length: rows }, (_, r) => [...ids.subarray(r * length, (r + 1) * length)])
    writeFileSync(join(folder, 'ids.json'), JSON.stringify(lists))
  } catch (error) {
    row.error =
      error instanceof Error ? error.message.split('\n')[0].replace(`${golden.folder}/`, '') : String(error)
    row.isLater = error instanceof TrituneError && error.code === 'E_UNSUPPORTED'
  }
  return row
}

/** Lets PEFT load what was saved, and puts how far its logits are from ours. */
function readByPeft(python: string, folder: string, rows: readonly MethodRow[]): void {
  const saved = rows.flatMap((row) => (row.saved && !row.error ? [{ row, ...row.saved }] : []))
  if (saved.length === 0) return
  const loaded = loadInPeft(python, folder, saved)
  for (const { row, folder: at, logits } of saved) {
    const problems = loaded.get(at) ?? ['PEFT says nothing']
    if (problems.length > 0) {
      row.cells.set('c in PEFT', { ok: false, text: 'FAIL', detail: problems.slice(0, 3).join('; ') })
      continue
    }
    const error = relativeError(logits, readFloats(openCheckpoint(join(at, 'peft.safetensors')), 'logits'))
    row.cells.set('c in PEFT', { ok: error <= CHECKS['c in PEFT'], text: error.toExponential(1) })
  }
}

/** Lets PEFT load folders, and write its logits beside them: what is wrong with each. */
function loadInPeft(
  python: string,
  folder: string,
  saved: readonly { readonly folder: string; readonly base: string }[],
): ReadonlyMap<string, readonly string[]> {
  const cases = join(folder, 'cases.json')
  writeFileSync(cases, JSON.stringify(saved.map(({ folder: at, base }) => ({ folder: at, base }))))
  const results = lines(runScript(python, ['read', cases])).map(
    (line) =>
      JSON.parse(line) as {
        readonly folder: string
        readonly error?: string
        readonly missing?: readonly string[]
        readonly unexpected?: readonly string[]
      },
  )
  return new Map(
    results.map(({ folder: at, error, missing, unexpected }) => [
      at,
      [error ?? [], missing ?? [], unexpected ?? []].flat(),
    ]),
  )
}

function same(differences: readonly string[]): Cell {
  return differences.length === 0
    ? { ok: true, text: 'same' }
    : { ok: false, text: `${differences.length} differ`, detail: differences.slice(0, 4).join('; ') }
}

function isGood({ cells, error }: MethodRow): boolean {
  return !error && Object.keys(CHECKS).every((check) => cells.get(check as Check)?.ok)
}

function shown(row: MethodRow): string {
  const { name, cells, error, isLater } = row
  if (isLater) return `${name.padEnd(18)}  not here yet: ${error}`
  const text = Object.keys(CHECKS).map((check) => {
    const cell = cells.get(check as Check)
    return (cell ? `${cell.text}${cell.ok ? '' : ' ✗'}` : '?').padStart(12)
  })
  const details = [...cells].flatMap(([check, { ok, detail }]) =>
    ok || !detail ? [] : [`\n${' '.repeat(20)}${check}: ${detail}`],
  )
  return `${name.padEnd(18)}${text.join('')}${error ? `\n${' '.repeat(20)}FAIL: ${error}` : ''}${details.join('')}`
}

function runScript(python: string, args: readonly string[], script: string = SCRIPT): string {
  const { status, stdout, stderr, error } = spawnSync(python, [script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '1' },
    maxBuffer: 1 << 26,
  })
  if (status === 0) return stdout
  throw new TrituneError(
    'E_USAGE',
    `${basename(script)} ${args[0]}: ${error?.message ?? stderr.trim().slice(-600)}`,
  )
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}
