/**
 * The Python that has torch, transformers and peft; nothing else of tritune needs one.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { TrituneError } from '../../core/mod.ts'
import { ROOT } from '../_setup.ts'

const PACKAGES = 'torch==2.13.0 transformers peft safetensors gguf'

/** Versions of the packages, as one line. Throws E_USAGE that says what to install. */
export function pythonVersions(python: string): string {
  const code =
    'import torch, transformers, peft, safetensors, gguf\n' +
    'print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")'
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', code], { encoding: 'utf8' })
  if (status === 0) return stdout.trim()
  const reason = error?.message ?? stderr.trim().split('\n').at(-1) ?? ''
  throw new TrituneError('E_USAGE', `the oracle needs torch, transformers and peft: ${reason}`, {
    place: python,
    remedy: `\`pip install ${PACKAGES}\` in a virtual environment, and name its python with --python or TRITUNE_PYTHON`,
  })
}

export interface Verdict {
  readonly ok: boolean
  /** What the script printed; or why it did not. */
  readonly result: Readonly<Record<string, unknown>>
}

/** Runs tests/oracle/verify.py; its last line is JSON. */
export function verify(python: string, args: readonly string[]): Verdict {
  const script = join(ROOT, 'tests/oracle/verify.py')
  const { stdout, stderr, error } = spawnSync(python, [script, ...args], { encoding: 'utf8' })
  try {
    const result: Record<string, unknown> = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    return { ok: result.ok === true, result }
  } catch {
    return { ok: false, result: { error: error?.message ?? stderr.trim().slice(-600) } }
  }
}

/** Runs a script of tests/oracle. E_BUG with what it said last when it fails. */
export function runPython(python: string, script: string, args: readonly string[]): void {
  const env = { ...process.env, OMP_NUM_THREADS: '1' }
  const { status, stderr, error } = spawnSync(python, [join(ROOT, script), ...args], {
    encoding: 'utf8',
    env,
  })
  if (status === 0) return
  throw new TrituneError('E_USAGE', `${script} failed: ${error?.message ?? stderr.trim().slice(-600)}`, {
    place: python,
    remedy: 'install what it imports',
  })
}
