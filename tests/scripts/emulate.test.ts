/**
 * `bun run emulate`: its checks can fail; and the quick ones of ARM64, where qemu and Bun for it are here. All of them, on more CPUs:
 * `bun run emulate arm64`.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkLibrary,
  checkLora,
  checkOps,
  checkQuickstart,
  mostApart,
} from '../../scripts/emulate/checks.ts'
import { arm64Machine, type Machine, thisMachine } from '../../scripts/emulate/machine.ts'
import { report } from '../../scripts/emulate/report.ts'
import { bunPath, missingForArm64 } from '../../scripts/emulate/tools.ts'
import { TARGETS } from '../../scripts/native/targets.ts'
import { ROOT } from '../../scripts/_setup.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())

/** Why ARM64 is not tried here; null: it is. */
function leftOut(): string | null {
  if (!existsSync(join(ROOT, TARGETS['linux-arm64'].output)))
    return 'no library: bun run native --target=linux-arm64'
  return (
    missingForArm64() ??
    (existsSync(bunPath('linux-arm64')) ? null : 'no Bun for it: bun run emulate arm64 --prepare')
  )
}

/** A machine that answers what it is told to, one answer after the other. */
function machineThatSays(...answers: readonly unknown[]): Machine {
  const left = [...answers]
  const said: Machine['ask'] = async () => JSON.parse(JSON.stringify(left.shift()))
  return { name: 'told', ask: said }
}

describe('the checks of an emulated machine', () => {
  test('one wrong number in the op table is found, and named', async () => {
    const at = folder.path
    const wrong: Machine = {
      name: 'wrong',
      async ask<Answer>(...[task, options, into]: Parameters<Machine['ask']>): Promise<Answer> {
        const answer = await thisMachine.ask<Answer>(task, options, into)
        const file = join(into, 'ops.json.safetensors')
        const bytes = readFileSync(file)
        bytes.writeFloatLE(1000, bytes.length - 4)
        writeFileSync(file, bytes)
        return answer
      },
    }
    expect(await checkOps(thisMachine, join(at, 'right'), { only: 'sigmoid, f32' })).toEqual({
      ok: true,
      detail: expect.stringMatching(/: 1 cases as the f64 reference has them.*; \d+ left out$/),
    })
    const { ok, detail } = await checkOps(wrong, join(at, 'wrong'), { only: 'sigmoid, f32' })
    expect(ok).toBe(false)
    expect(detail).toMatch(/^sigmoid, f32: .*\[\d+\]: got 1000, expected /)
    expect((await checkOps(thisMachine, join(at, 'none'), { only: 'no such op' })).ok).toBe(false)
  })

  test('losses that are further off than 1e-5, and other bits the second time', async () => {
    const run = { name: 'llama', losses: [3, 2, 1], weights: 'a' }
    const lora = async (first: object, second: object = first): Promise<string> => {
      const machine = machineThatSays({ runs: [{ ...run, ...first }] }, { runs: [{ ...run, ...second }] })
      const { ok, detail } = await checkLora(machine, machineThatSays({ runs: [run] }), folder.path, [
        'llama',
      ])
      return ok ? 'ok' : detail
    }
    expect(await lora({ losses: [3, 2, 1.000005] })).toBe('ok')
    expect(await lora({ losses: [3, 2, 1.00002] })).toContain('llama: losses 3, 2, 1.00002')
    expect(await lora({}, { weights: 'b' })).toContain('other bits the second time')
    expect(await lora({}, { losses: [3, 2, 1.0000001] })).toContain('other bits the second time')
  })

  test('perplexities that are more than half a percent apart, or do not fall', async () => {
    const size = { steps: 2, tokens: 64, evaluated: 1 }
    const quickstart = async (before: number, after: number): Promise<boolean> => {
      const [got, here] = [
        { before, after, losses: [2, 1] },
        { before: 150, after: 120, losses: [2, 1] },
      ]
      return (await checkQuickstart(machineThatSays(got), machineThatSays(here), folder.path, size)).ok
    }
    expect(await quickstart(150.5, 120.5)).toBe(true)
    expect(await quickstart(150, 121)).toBe(false)
    expect(await quickstart(150, 150)).toBe(false)
  })

  test('a library of other sources', async () => {
    const facts = { platform: 'linux-arm64', device: 'cpu', sources: 'other' }
    expect((await checkLibrary(machineThatSays({ facts }), folder.path)).ok).toBe(false)
  })

  test('NaN and missing numbers are as far off as can be', () => {
    expect([mostApart([1, 2], [1, 4]), mostApart([Number.NaN], [1]), mostApart([1], [1, 2])]).toEqual([
      0.5,
      Infinity,
      Infinity,
    ])
  })

  test('a machine that does not start is a failed check, and the others go on', async () => {
    const absent = arm64Machine('no-such-cpu', '/no/such/bun')
    const lines: string[] = []
    const good = await report(
      [
        { name: 'absent', run: () => checkLibrary(absent, join(folder.path, 'absent')) },
        { name: 'next', run: async () => ({ ok: true, detail: 'fine' }) },
      ],
      (line) => lines.push(line),
    )
    expect(good).toBe(false)
    expect([lines[0], lines.at(-1)]).toEqual([
      expect.stringMatching(/^FAILED {2}absent /),
      expect.stringMatching(/^ok {6}next .*fine/),
    ])
  })
})

const why = leftOut()
if (why !== null) console.log(`skipped: ARM64 under qemu: ${why}`)

describe.skipIf(why !== null)('Linux on ARM64, as qemu emulates a Cortex-A53', () => {
  const machine = arm64Machine('cortex-a53', bunPath('linux-arm64'))
  const right = async (checked: Promise<{ ok: boolean; detail: string }>): Promise<void> => {
    const { ok, detail } = await checked
    if (!ok) throw new Error(detail)
  }

  test('opens the library that is made of these sources', async () => {
    await right(checkLibrary(machine, join(folder.path, 'library')))
  }, 300_000)

  test('the whole op table gives what the f64 reference gives, twice the same bits', async () => {
    await right(checkOps(machine, join(folder.path, 'ops')))
  }, 600_000)

  test('LoRA steps in f32 have the losses of this machine, twice the same bits', async () => {
    await right(checkLora(machine, thisMachine, join(folder.path, 'lora'), ['llama', 'gpt2']))
  }, 600_000)
})
