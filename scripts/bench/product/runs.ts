/**
 * What watching a run costs: the trainer with all monitors on, and the index over many runs.
 */
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { prepareRun, readFinetuneConfig, train } from '../../../plugins/finetune/mod.ts'
import { openRunIndex } from '../../../plugins/runs/mod.ts'
import { readTextFile } from '../../../core/files/text-file.ts'
import { ROOT } from '../../_setup.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const QUICKSTART = 'quickstart/quickstart.yaml'

export const runsTopic: Topic = {
  name: 'runs',
  async run(context) {
    const wants = (name: string): boolean => context.only === null || name.includes(context.only)
    return [
      ...(wants('trainer') ? await monitorRows(context) : []),
      ...(wants('index') ? await indexRows(context) : []),
    ]
  },
}

/** Steps of the quickstart with every monitor there is, a server of wandb and MLflow in another process among them. */
export async function monitorRows({ quick, threads, progress }: BenchContext): Promise<Row[]> {
  await using server = await serverInItsProcess()
  Object.assign(process.env, { WANDB_API_KEY: 'k'.repeat(40), WANDB_BASE_URL: server.url })
  const device = openCpu({ threads })
  const between: number[] = []
  const steps = 40
  const run = async (monitors: boolean): Promise<number> => {
    progress(`${steps} steps of the quickstart ${monitors ? 'with all monitors' : 'with none but its files'}`)
    const { wall, inside } = await timedSteps({ device, steps, server: monitors ? server.url : null })
    if (monitors) between.push((100 * (wall - inside)) / inside)
    return wall
  }
  const turns = await inTurn(
    { all: () => run(true), none: () => run(false) },
    { repeat: quick ? 1 : 3, warmup: 1 },
  )
  return [
    {
      name: 'trainer: between steps with all monitors, of the time in steps',
      ours: median(between),
      peer: null,
      unit: '%',
      ratio: null,
      floor: 2,
      goal: 0.5,
      better: 'lower',
      note: 'run.json, metrics, events, TensorBoard, wandb, MLflow; control is looked at',
    },
    {
      name: 'trainer: steps with all monitors over those without',
      ours: median(turns.all),
      peer: median(turns.none),
      unit: 's',
      ratio: medianRatio(turns.all, turns.none),
      floor: null,
      goal: 1.02,
      better: 'lower',
      note: 'as noisy as the machine',
    },
  ]
}

/** 1,000 runs of 10,000 steps: each has a run.json of its own, the lines are one file under many names. */
export async function indexRows({ quick, progress }: BenchContext): Promise<Row[]> {
  const runs = quick ? 100 : 1000
  const folder = mkdtempSync(join(tmpdir(), 'tritune-index-'))
  try {
    progress(`${runs} runs of 10,000 steps`)
    const folders = writeRuns(join(folder, 'runs'), runs)
    const file = join(folder, 'runs.sqlite')
    const first = await timed(async () => {
      using index = await openRunIndex(file)
      index.refresh([join(folder, 'runs')])
    })
    const curves = await timed(async () => {
      using index = await openRunIndex(file)
      for (const one of folders.slice(0, 10)) index.curves(one)
    })
    const [again, drawn] = [[], []] as [number[], number[]]
    for (let i = 0; i < (quick ? 3 : 9); i++) {
      let count = 0
      again.push(
        await timed(async () => {
          using index = await openRunIndex(file)
          index.refresh([join(folder, 'runs')])
          count = index.runs().length
        }),
      )
      if (count !== runs) throw new Error(`the index has ${count} of ${runs} runs`)
      drawn.push(
        await timed(async () => {
          using index = await openRunIndex(file)
          for (const one of folders.slice(0, 10)) index.curves(one)
        }),
      )
    }
    const common = { peer: null, unit: 's', ratio: null, better: 'lower' } as const
    return [
      {
        ...common,
        name: `index of ${runs} runs × 10,000 steps: open, look, list`,
        ours: median(again),
        floor: 0.3,
        goal: 0.1,
        note: `the first look ${first.toFixed(2)} s`,
      },
      {
        ...common,
        name: 'index: all curves of 10 of them',
        ours: median(drawn),
        floor: 0.3,
        goal: 0.1,
        note: `the first time ${curves.toFixed(2)} s`,
      },
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

interface Timed {
  /** From the end of the first step to that of the last. */
  readonly wall: number
  /** Of that, in steps. */
  readonly inside: number
}

async function timedSteps({
  device,
  steps,
  server,
}: {
  readonly device: ReturnType<typeof openCpu>
  readonly steps: number
  readonly server: string | null
}): Promise<Timed> {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-monitors-'))
  const text = readTextFile(ROOT + QUICKSTART, { what: 'the quickstart', remedy: 'run it in a checkout' })
  const tracked =
    server === null
      ? []
      : ['use_tensorboard=true', 'use_wandb=true', `mlflow_tracking_uri=${server}`, 'use_mlflow=true']
  try {
    const overrides = [`output_dir=${folder}`, `max_steps=${steps}`, 'evals_per_epoch=0', ...tracked]
    const config = readFinetuneConfig(text, ROOT + QUICKSTART, { overrides })
    using run = await prepareRun(config, { device })
    let [began, wall, inside] = [0, 0, 0]
    await train(run, {
      onEvent(event) {
        if (event.type !== 'step') return
        if (event.report.step === 1) began = performance.now()
        else inside += event.report.seconds
        wall = (performance.now() - began) / 1000
      },
    })
    return { wall, inside }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Served extends AsyncDisposable {
  readonly url: string
}

async function serverInItsProcess(): Promise<Served> {
  const code = `const { trackerServer } = await import(${JSON.stringify(`${ROOT}tests/plugins/trackers/_tracker-server.ts`)}); console.log(trackerServer().url); setInterval(() => {}, 1000)`
  const child = Bun.spawn([process.execPath, '-e', code], { stdout: 'pipe', stderr: 'inherit' })
  const { value } = await child.stdout.getReader().read()
  return {
    url: new TextDecoder().decode(value).trim(),
    async [Symbol.asyncDispose]() {
      child.kill()
      await child.exited
    },
  }
}

function writeRuns(root: string, runs: number): string[] {
  mkdirSync(root, { recursive: true })
  const lines = join(root, 'metrics.jsonl.of-all')
  const line = (step: number): string =>
    JSON.stringify({
      step,
      epoch: step / 10_000,
      loss: 3 / Math.sqrt(step),
      learning_rate: 1e-4,
      grad_norm: 1 / step,
      tokens: 4096,
      trained_tokens: 4000,
      seconds: 0.5,
      tokens_per_second: 8192,
    })
  writeFileSync(lines, `${Array.from({ length: 10_000 }, (_, i) => line(i + 1)).join('\n')}\n`)
  const config = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`setting_${i}`, i]))
  return Array.from({ length: runs }, (_, i) => {
    const folder = join(root, `run-${i}`)
    mkdirSync(folder)
    linkSync(lines, join(folder, 'metrics.jsonl'))
    const started_at = new Date(1.7e12 + 6e7 * i).toISOString()
    const record = {
      run_id: `id-${i}`,
      run_name: `run-${i}`,
      status: 'completed',
      started_at,
      current_step: 10_000,
      total_steps: 10_000,
      config,
    }
    writeFileSync(join(folder, 'run.json'), JSON.stringify(record, null, 2))
    return folder
  })
}
