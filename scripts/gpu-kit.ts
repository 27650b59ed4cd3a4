/**
 * `bun scripts/gpu-kit.ts`: a run on a machine with a GPU that has nothing else: no Bun, no packages, no network, and room for
 * a small copy of this tree. See docs/gpu-kit.md.
 */
import { resolve } from 'node:path'
import { didYouMean, TrituneError } from '../core/errors.ts'
import { runCommand } from './_cli.ts'
import { pack, unpack } from './gpu-kit/pack.ts'
import { rehearse } from './gpu-kit/rehearse.ts'
import { ROOT } from './_setup.ts'

const HELP = `A small copy of this tree for a machine with a GPU.

  bun scripts/gpu-kit.ts pack        sets aside what need not travel, packs Bun and the packages, says what to carry and run
  bun scripts/gpu-kit.ts rehearse    runs it in a copy of what travels, on the emulated GPU
  bun scripts/gpu-kit.ts unpack      puts everything back as it was; also after an interruption

  --only <a,b>      rehearse these sections only
  --python <path>   rehearse with torch on the CPU beside it
  --out <folder>    keep the results of the rehearsal
  --help            this text
`

const WHAT = ['pack', 'rehearse', 'unpack'] as const

await runCommand({
  help: HELP,
  positionals: { min: 1, max: 1 },
  options: { only: { type: 'string' }, python: { type: 'string' }, out: { type: 'string' } },
  run({ values, positionals: [what] }) {
    const root = ROOT.replace(/\/$/, '')
    const say = (line: string): void => console.log(line)
    const { only, python, out } = values
    if (what === 'pack') return pack(root, say)
    if (what === 'unpack') return unpack(root, say)
    if (what === 'rehearse')
      return rehearse(
        root,
        {
          python: python ?? null,
          more: only === undefined ? [] : ['--only', only],
          out: out === undefined ? null : resolve(out),
        },
        say,
      )
    throw new TrituneError('E_USAGE', `there is no "${what}"`, { remedy: didYouMean(what, WHAT) })
  },
})
