/**
 * `bun run oracle trackers`: a run of the trainer as TensorBoard's own reader sees its event files, and as a server sees it that the clients of wandb and MLflow tell
 * the same run to. The server is on this machine and speaks their HTTP (tests/plugins/trackers/_tracker-server.ts).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/mod.ts'
import { readRun, readRunLines } from '../../plugins/runs/mod.ts'
import { workspace } from '../../tests/plugins/finetune/_run.ts'
import { type TrackedRun, trackerServer } from '../../tests/plugins/trackers/_tracker-server.ts'
import { ROOT } from '../_setup.ts'
import { atMost, formatRow, type Row } from './_row.ts'

/** True when all is the same. */
export async function runTrackersOracle(python: string): Promise<boolean> {
  console.log(await versions(python))
  using server = trackerServer()
  const key = 'k'.repeat(40)
  const env = { WANDB_API_KEY: key, WANDB_BASE_URL: server.url, MLFLOW_TRACKING_URI: server.url }
  Object.assign(process.env, env)
  using space = workspace()
  const { outputDir } = await space.train({
    max_steps: 12,
    val_set_size: 2,
    eval_steps: 4,
    use_tensorboard: true,
    use_wandb: true,
    wandb_project: 'tries',
    wandb_entity: 'me',
    wandb_name: 'ours',
    use_mlflow: true,
    mlflow_experiment_name: 'tries',
    mlflow_run_name: 'ours',
  })
  const config = join(space.path, 'config.json')
  const settings = Object.entries(readRun(outputDir).config).filter(([, value]) => value !== null)
  writeFileSync(config, JSON.stringify(Object.fromEntries(settings)))
  for (const client of ['wandb', 'mlflow'])
    await ran(python, space.path, [client, join(outputDir, 'metrics.jsonl'), config])
  const rows = [
    ...tensorboardRows(outputDir, await ran(python, space.path, ['read', join(outputDir, 'tensorboard')])),
    ...(['wandb', 'mlflow'] as const).flatMap((kind) => clientRows(kind, server.runs())),
  ]
  for (const row of rows) console.log(formatRow(row))
  return rows.every(({ ok }) => ok)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** In a folder of its own: wandb's client leaves its log where it is started. */
async function ran(python: string, cwd: string, args: readonly string[]): Promise<string> {
  const child = Bun.spawn([python, join(ROOT, 'tests/oracle/trackers.py'), ...args], {
    cwd,
    env: { ...process.env, WANDB_SILENT: 'true' },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  if ((await child.exited) === 0) return stdout
  throw new TrituneError('E_USAGE', `trackers.py ${args[0]} failed: ${stderr.trim().slice(-600)}`, {
    place: python,
    remedy:
      '`pip install tensorboard wandb mlflow-skinny` in a virtual environment, named with --python or TRITUNE_PYTHON',
  })
}

async function versions(python: string): Promise<string> {
  const code = `from importlib.metadata import version as v; print(", ".join(f"{n} {v(n)}" for n in ("tensorboard", "wandb", "mlflow-skinny")))`
  const child = Bun.spawn([python, '-c', code], { stdout: 'pipe', stderr: 'inherit' })
  return (await new Response(child.stdout).text()).trim()
}

/** Every number of metrics.jsonl is in the event files, as f32, and no other. */
function tensorboardRows(outputDir: string, text: string): Row[] {
  const { scalars }: { scalars: Record<string, [number, number][]> } = JSON.parse(text)
  const found = new Map<string, number>(
    Object.entries(scalars).flatMap(([tag, points]) =>
      points.map(([step, value]) => [`${tag} ${step}`, value] as const),
    ),
  )
  const wanted = new Map<string, number>()
  for (const { step, ...values } of readRunLines(outputDir, 'metrics'))
    for (const [name, value] of Object.entries(values))
      wanted.set(
        `${name.startsWith('eval_') ? `eval/${name.slice(5)}` : `train/${name}`} ${step}`,
        Math.fround(value ?? Number.NaN),
      )
  const wrong = [...wanted].filter(([key, value]) => !Object.is(found.get(key), value))
  return [
    atMost(
      `tensorboard: of ${wanted.size} scalars other ones`,
      wanted.size > 0 ? wrong.length : Number.NaN,
      0,
    ),
    atMost('tensorboard: scalars too many', found.size - wanted.size, 0),
  ]
}

/** What the server knows of a run that our monitor told it, and that their client did. */
function clientRows(kind: TrackedRun['kind'], runs: readonly TrackedRun[]): Row[] {
  const of = (name: string): TrackedRun | undefined =>
    runs.find((run) => run.kind === kind && run.name === name)
  const [ours, theirs] = [of('ours'), of('theirs')]
  if (!ours || !theirs) return [atMost(`${kind}: runs missing`, Number.NaN, 0)]
  const numbers = differences(flat(ours.history), flat(theirs.history))
  const settings = differences(new Map(Object.entries(ours.config)), new Map(Object.entries(theirs.config)))
  return [
    atMost(`${kind}: of ${flat(theirs.history).size} numbers other ones`, numbers, 0),
    atMost(`${kind}: of ${Object.keys(theirs.config).length} settings other ones`, settings, 0),
    atMost(
      `${kind}: another project or end`,
      Number(ours.project !== theirs.project) + Number(ours.status !== theirs.status),
      0,
    ),
  ]
}

function flat(history: TrackedRun['history']): Map<string, unknown> {
  return new Map(
    [...history].flatMap(([step, values]) =>
      Object.entries(values).map(([name, value]) => [`${name} ${step}`, value] as const),
    ),
  )
}

/** Names that only one has, or whose values differ. MLflow's settings are texts: Python and JSON write numbers, lists and mappings differently. */
function differences(ours: ReadonlyMap<string, unknown>, theirs: ReadonlyMap<string, unknown>): number {
  const names = new Set([...ours.keys(), ...theirs.keys()])
  return [...names].filter((name) => plain(ours.get(name)) !== plain(theirs.get(name))).length
}

function plain(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value, sorted) ?? 'nothing'
  if (value.trim() !== '' && Number.isFinite(Number(value))) return String(Number(value))
  return value.replaceAll(/[\s"'\\]/g, '').replaceAll(/\b(True|False|None)\b/g, (word) => PYTHON[word])
}

/** Mappings by name, not by who wrote them. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const PYTHON: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null' }
