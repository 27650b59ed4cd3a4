/**
 * `bun run emulate arm64|win32`: tritune on machines that are not here: ARM64 under qemu, Windows under Wine. Thin: see emulate/.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../core/errors.ts'
import { INTEGER_FROM_0, numberOption, runCommand } from './_cli.ts'
import { ensureInstalled } from './_setup.ts'
import { out } from './terminal/streams.ts'

/** Of the quickstart. Wine is as fast as this machine, qemu is not. */
const SIZES = {
  arm64: { steps: 6, tokens: 128, evaluated: 4 },
  win32: { steps: 20, tokens: 512, evaluated: 40 },
  quick: { steps: 2, tokens: 64, evaluated: 1 },
}

await runCommand({
  help: `Run the libraries for other machines on emulated ones, and compare with the f64 reference and with this machine.

  bun run emulate arm64 [options]   Linux on ARM64 under qemu (apt install qemu-user libc6-arm64-cross)
  bun run emulate win32 [options]   Windows on x86-64 under Wine (apt install wine)

  --cpu <names>    arm64: CPUs as qemu calls them, with commas between; default: cortex-a53,neoverse-n1,max
  --steps <n>      steps of the quickstart; default: arm64 6 of 128 tokens, win32 20 of 512
  --quick          two steps of 64 tokens, and fewer texts to measure perplexity on
  --prepare        only get Bun for the machine from the npm registry
  --keep           leave the folder with what came out, and tell where it is
  --help           this text
`,
  positionals: { min: 1, max: 1, missing: 'which machine: arm64 or win32' },
  output: 'report',
  options: {
    cpu: { type: 'string' },
    steps: { type: 'string' },
    quick: { type: 'boolean' },
    prepare: { type: 'boolean' },
    keep: { type: 'boolean' },
  },
  async run({ values: { cpu, steps, quick, prepare, keep }, positionals: [machine] }) {
    if (machine !== 'arm64' && machine !== 'win32')
      throw new TrituneError('E_USAGE', `no machine "${machine}"`, { remedy: 'arm64 or win32' })
    await ensureInstalled()
    const { getBun } = await import('./emulate/tools.ts')
    if (prepare) {
      out.write(`${await getBun(machine === 'arm64' ? 'linux-arm64' : 'win32-x64')}\n`)
      return
    }
    const { ARM64_CPUS, emulateArm64 } = await import('./emulate/arm64.ts')
    const { emulateWindows } = await import('./emulate/win32.ts')
    const size = { ...SIZES[quick ? 'quick' : machine] }
    size.steps = numberOption('steps', steps, size.steps, INTEGER_FROM_0)
    const folder = mkdtempSync(join(tmpdir(), 'tritune-emulate-'))
    const say = (line: string): unknown => out.write(`${line}\n`)
    const forget = (): void => (keep ? undefined : rmSync(folder, { recursive: true, force: true }))
    // The programs that run in it get the signal of a terminal themselves.
    for (const [signal, number] of [
      ['SIGINT', 2],
      ['SIGTERM', 15],
      ['SIGHUP', 1],
    ] as const)
      process.once(signal, () => {
        forget()
        process.exit(128 + number)
      })
    try {
      const good =
        machine === 'arm64'
          ? await emulateArm64(folder, cpu?.split(',') ?? ARM64_CPUS, size, say)
          : await emulateWindows(folder, size, say)
      if (!good) process.exitCode = 1
    } finally {
      if (keep) say(`kept in ${folder}`)
      forget()
    }
  },
})
