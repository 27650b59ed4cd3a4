/**
 * docs/examples/python on the library of this checkout: its own checks against NumPy (_python_example.py), the bytes that TypeScript
 * makes, and the types of the header. Left out where there is no Python with NumPy; TRITUNE_PYTHON names one.
 */
import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createRandom,
  quantize4bit,
  quantizeTernary,
  tensor,
  tensorScope,
  useDevice,
} from '../../core/mod.ts'
import { ABI_VERSION, SYMBOLS } from '../../core/native/symbols.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { leftOut } from '../_tools.ts'

const EXAMPLE = join(import.meta.dir, '../../docs/examples/python')
const SOURCE = readFileSync(join(EXAMPLE, 'tritune_cpu.py'), 'utf8')
const PYTHON = process.env['TRITUNE_PYTHON'] ?? 'python3'

interface Ran {
  readonly status: number | null
  readonly text: string
}

function python(args: readonly string[]): Ran {
  const env = { ...process.env, PYTHONPATH: EXAMPLE, PYTHONDONTWRITEBYTECODE: '1', OMP_NUM_THREADS: '1' }
  const { status, stdout, stderr } = spawnSync(PYTHON, args, { encoding: 'utf8', env })
  return { status, text: `${stdout ?? ''}${stderr ?? ''}` }
}

const missing = python(['-c', 'import numpy']).status === 0 ? null : `${PYTHON} has no NumPy`

/** How the header's types are called in the module. */
const LETTERS: Readonly<Record<string, string>> = { ptr: 'p', buf: 'p', size: 'n', i32: 'i', f32: 'f' }

test('the Python module says of each function what the header says, and which version it is', () => {
  const rows = [...SOURCE.matchAll(/^ {4}"(tt_\w+)": "([pnif]+)",$/gm)]
  expect(rows.length).toBeGreaterThan(10)
  const table: Readonly<Record<string, { readonly args: readonly string[] }>> = SYMBOLS
  for (const [, name, letters] of rows)
    expect([name, letters]).toEqual([name, table[name].args.map((type) => LETTERS[type]).join('')])
  expect(/^ABI_VERSION = (\d+)$/m.exec(SOURCE)?.[1]).toBe(String(ABI_VERSION))
})

test.skipIf(missing !== null)(
  leftOut('from Python: numbers as NumPy has them, at the addresses of the arrays', missing),
  () => {
    const { status, text } = python([join(import.meta.dir, '_python_example.py')])
    expect([status, text]).toEqual([0, expect.stringMatching(/Ran \d\d tests[^]*OK/)])
  },
)

test.skipIf(missing !== null)(leftOut('from Python: the bytes that TypeScript packs', missing), () => {
  using folder = temporaryFolder()
  using _device = useDevice(openCpu())
  using _scope = tensorScope()
  const random = createRandom(3)
  const values = Float32Array.from({ length: 64 * 48 }, () => random.normal())
  writeFileSync(join(folder.path, 'w.f32'), values)
  const program = `
import json, os, sys
import numpy as np
from tritune_cpu import open_library
tritune = open_library()
w = np.fromfile(os.path.join(sys.argv[1], "w.f32"), np.float32).reshape(64, 48)
packed = [tritune.quantize_4bit(w), tritune.quantize_4bit(w, kind="fp4", block=128), tritune.quantize_ternary(w)]
print(json.dumps([{"data": one.data.ravel().tolist(), "scale": one.scale.tolist()} for one in packed]))`
  const { status, text } = python(['-c', program, folder.path])
  expect([status, text]).toEqual([0, expect.stringContaining('data')])
  const w = tensor(values, { shape: [64, 48] })
  const ours = [
    quantize4bit(w, { doubleQuant: false }),
    quantize4bit(w, { kind: 'fp4', block: 128, doubleQuant: false }),
    quantizeTernary(w),
  ]
  expect(JSON.parse(text)).toEqual(
    ours.map(({ parts: { data, scale } }) => ({ data: [...data.toArray()], scale: [...scale.toArray()] })),
  )
})
