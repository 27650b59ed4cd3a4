/**
 * Records per second of reading, tokenising and packing, against `datasets` and the fast tokenizers of transformers in turn, on as many
 * processors. Both give the same tokens and as many trained ones.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ownFile } from '../../init/own-file.ts'
import { TrituneError } from '../../../core/errors.ts'
import { type Answer, type Child, numberIn, startChild } from '../_child.ts'
import { writeDataFiles } from './_data-files.ts'
import { MILLION, millionRecords } from './_million-records.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const LENGTH = 2048
const RECORDS = 40_000
const QUICK_RECORDS = 20_000

interface Case {
  readonly name: string
  readonly file: string
  readonly type: string
  readonly records: number
}

export const data: Topic = {
  name: 'data',
  async run(context) {
    const folder = mkdtempSync(join(tmpdir(), 'tritune-data-'))
    try {
      const records = context.quick ? QUICK_RECORDS : RECORDS
      const files = writeDataFiles(folder, records)
      const cases: Case[] = [
        { name: 'instructions, JSON Lines', file: files.instructions.jsonl, type: 'alpaca', records },
        { name: 'instructions, Parquet', file: files.instructions.parquet, type: 'alpaca', records },
        { name: 'chats, JSON Lines', file: files.chats, type: 'chat_template', records: records / 4 },
      ]
      const wanted = (name: string): boolean => context.only === null || name.includes(context.only)
      return [
        ...(await compareAll(
          cases.filter(({ name }) => wanted(name)),
          context,
        )),
        ...(wanted(MILLION) && !context.quick ? [await million(folder, context)] : []),
      ]
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

async function million(folder: string, context: BenchContext): Promise<Row> {
  context.progress(MILLION)
  await using child = await startOurs(context)
  return await millionRecords(child, folder)
}

function startOurs(context: BenchContext): Promise<Child> {
  const model = context.model ?? ownFile('quickstart/model')
  return startChild('tritune', [process.execPath, path('data_ours.ts'), model, String(LENGTH)])
}

async function compareAll(cases: readonly Case[], context: BenchContext): Promise<Row[]> {
  const model = context.model ?? ownFile('quickstart/model')
  const { python, threads } = context
  await using ours = await startOurs(context)
  await using peer =
    python === null
      ? null
      : await startChild('datasets', [python, path('data_peer.py'), model, String(LENGTH), String(threads)])
  const rows: Row[] = []
  for (const one of cases) {
    context.progress(one.name)
    rows.push(await compare(one, { ours, peer, context }))
  }
  return rows
}

async function compare(
  { name, file, type, records }: Case,
  {
    ours,
    peer,
    context,
  }: { readonly ours: Child; readonly peer: Child | null; readonly context: BenchContext },
): Promise<Row> {
  const question = JSON.stringify({ file, type, processes: context.threads })
  const programs: Record<'ours' | 'peer', () => Promise<Answer> | null> = {
    ours: () => ours.ask(question),
    peer: () => peer?.ask(question) ?? null,
  }
  const measured = await inTurn<'ours' | 'peer', Answer | null>(programs, {
    repeat: context.quick ? 1 : 5,
    warmup: context.quick ? 0 : 1,
  })
  const rate = (answer: Answer): number => records / numberIn(answer, 'seconds')
  const answers = measured.ours.filter((answer) => answer !== null)
  const peers = measured.peer.filter((answer) => answer !== null)
  if (peers.length > 0) expectSame(name, answers[0], peers[0])
  const own = answers.map(rate)
  const others = peers.map(rate)
  return {
    name,
    ours: median(own),
    peer: others.length > 0 ? median(others) : null,
    unit: 'records/s',
    ratio: others.length > 0 ? medianRatio(own, others) : null,
    floor: others.length > 0 ? 1 : null,
    goal: others.length > 0 ? 2 : null,
    better: 'higher',
    note: `${numberIn(answers[0], 'tokens')} tokens, ${numberIn(answers[0], 'rows')} rows of ${LENGTH}`,
  }
}

function expectSame(name: string, ours: Answer, peer: Answer): void {
  for (const key of ['tokens', 'trained'])
    if (numberIn(ours, key) !== numberIn(peer, key))
      throw new TrituneError(
        'E_DATA',
        `${name}: ${key}: ${numberIn(ours, key)} here, ${numberIn(peer, key)} there`,
      )
}
