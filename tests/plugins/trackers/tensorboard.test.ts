/**
 * Event files, read back record by record. That TensorBoard itself reads them is shown by `bun run oracle trackers`.
 */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRunLines } from '../../../plugins/runs/mod.ts'
import { createEventFile, tensorboard } from '../../../plugins/trackers/mod.ts'
import { crc32c, maskedCrc32c } from '../../../plugins/trackers/tensorboard/crc32c.ts'
import { monitorContract, runContract } from '../../../testing/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { workspace } from '../finetune/_run.ts'

/** The messages of a file; the sums of each record are checked. */
function records(path: string): Uint8Array[] {
  const bytes = new Uint8Array(readFileSync(path))
  const view = new DataView(bytes.buffer)
  const found: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = Number(view.getBigUint64(at, true))
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)))
    const data = bytes.subarray(at + 12, at + 12 + length)
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc32c(data))
    found.push(data)
    at += length + 16
  }
  return found
}

type Field = readonly [field: number, value: number | Uint8Array]

/** The fields of a message: numbers, or the bytes of texts and inner messages. */
function fieldsOf(message: Uint8Array): Field[] {
  const view = new DataView(message.buffer, message.byteOffset, message.length)
  const fields: Field[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    const wire = tag & 7
    if (wire === 0) fields.push([tag >> 3, varint()])
    if (wire === 1) fields.push([tag >> 3, view.getFloat64(at, true)])
    if (wire === 5) fields.push([tag >> 3, view.getFloat32(at, true)])
    if (wire === 2) {
      const length = varint()
      fields.push([tag >> 3, message.subarray(at, at + length)])
      at += length
    }
    if (wire === 1) at += 8
    if (wire === 5) at += 4
  }
  return fields
}

const inner = (message: Uint8Array, field: number): Uint8Array[] =>
  fieldsOf(message).flatMap(([name, value]) => (name === field && typeof value !== 'number' ? [value] : []))
const number = (message: Uint8Array, field: number): number =>
  Number(fieldsOf(message).find(([name]) => name === field)?.[1])
const text = (message: Uint8Array, field: number): string =>
  new TextDecoder().decode(inner(message, field)[0])

/** `tag step` → value, of every scalar. */
function scalars(folder: string): Map<string, number> {
  const all = readdirSync(folder)
    .toSorted()
    .flatMap((name) => records(join(folder, name)))
  return new Map(
    all.flatMap((event) =>
      inner(event, 5)
        .flatMap((summary) => inner(summary, 1))
        .filter((value) => fieldsOf(value).some(([name]) => name === 2))
        .map((value) => [`${text(value, 1)} ${number(event, 2)}`, number(value, 2)] as const),
    ),
  )
}

test('the sums are those of RFC 3720', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
})

test('use_tensorboard: every number of metrics.jsonl is there as f32, and a resumed run makes a file of its own', async () => {
  using space = workspace()
  const changes = {
    use_tensorboard: true,
    val_set_size: 2,
    eval_steps: 2,
    save_strategy: undefined,
    save_steps: 2,
    histogram_steps: 3,
    generate_samples: true,
    num_generation_samples: 1,
    generation_max_new_tokens: 4,
  }
  const stop = new AbortController()
  const { outputDir } = await space.train(changes, {
    signal: stop.signal,
    onEvent: (event) => {
      if (event.type === 'step' && event.report.step === 4) stop.abort()
    },
  })
  await space.train(changes, { resume: 'newest' })
  const folder = join(outputDir, 'tensorboard')
  const wanted = readRunLines(outputDir, 'metrics').flatMap(({ step, ...values }) =>
    Object.entries(values).map(
      ([name, value]) =>
        [
          `${name.replace(/^(eval_)?/, (group) => (group ? 'eval/' : 'train/'))} ${step}`,
          Math.fround(value ?? Number.NaN),
        ] as const,
    ),
  )
  expect(scalars(folder)).toEqual(new Map(wanted))
  const files = readdirSync(folder).toSorted()
  expect(files.length).toBe(2)
  // SessionLog START at the step after the checkpoint: what an earlier file has from there on is not shown.
  const starts = files.map((name) => records(join(folder, name))[1])
  expect(starts.map((event) => [number(event, 2), number(inner(event, 7)[0], 1)])).toEqual([
    [1, 1],
    [5, 1],
  ])
  expect(text(records(join(folder, files[0]))[0], 3)).toBe('brain.Event:2')
  const tags = files.flatMap((name) =>
    records(join(folder, name)).flatMap((event) =>
      inner(event, 5).flatMap((summary) => inner(summary, 1).map((value) => text(value, 1))),
    ),
  )
  expect(tags).toContain('sample')
  expect(tags.some((tag) => tag.startsWith('gradients/model.layers.0.'))).toBe(true)
})

test('a folder that cannot be written is an error with its place', () => {
  using folder = temporaryFolder()
  const file = createEventFile(folder.path)
  file.scalars(1, { 'train/loss': 1 })
  const [name] = readdirSync(folder.path)
  expect(() => createEventFile(join(folder.path, name))).toThrow(expect.objectContaining({ code: 'E_FILE' }))
})

test('it keeps the contract of monitors', async () => {
  const { failed } = await runContract(monitorContract(tensorboard))
  expect(failed).toEqual([])
})
