/**
 * On a kind of machine that its library has never run on, the first use is a self-check; that it passed is remembered in the
 * cache folder, for this library, this instruction set and this CPU. A check that fails is not: it is an error each time.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { type Device, TrituneError } from '../../core/mod.ts'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { cacheFolder } from '../../core/files/cache-folder.ts'
import type { NativeLibrary } from '../../core/native/library.ts'
import { PLATFORM, platformFacts, platformLabel } from '../../core/native/platforms.ts'
import { selfCheck } from './self-check.ts'

/** What decides whether this is the first use, beside the library. */
export interface FirstUseFacts {
  readonly platform: string
  /** The folder of all caches of tritune. */
  readonly cache: string
  readonly cpu: string
}

/** `proven`: the library has run on real machines of this kind, and nothing was checked. */
export type FirstUse = 'proven' | 'passed now' | 'passed before'

type CheckedLibrary = Pick<NativeLibrary, 'path' | 'info'>

/** Throws E_DEVICE when the device computes wrong numbers. A cache that cannot be written means a check each time. */
export function checkOnFirstUse(
  device: Device,
  library: CheckedLibrary,
  facts: FirstUseFacts = factsOfProcess(),
): FirstUse {
  if (platformFacts(facts.platform)?.unproven === null) return 'proven'
  const record = recordOf(library, facts)
  if (existsSync(record)) return 'passed before'
  selfCheck(device, { dtypes: ['f32', 'bf16'], instead: 'wasm', what: 'this machine' })
  try {
    writeFileAtomic(record, `${JSON.stringify(describe(library, facts), null, 2)}\n`)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
  }
  return 'passed now'
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function recordOf({ path, info }: CheckedLibrary, { cache, platform, cpu }: FirstUseFacts): string {
  const library = createHash('sha256').update(readFileSync(path)).digest('hex')
  const key = createHash('sha256').update([library, platform, String(info['isa']), cpu].join('\0'))
  return join(cache, 'self-checks', `${key.digest('hex')}.json`)
}

/** For people who look into the folder. */
function describe({ path, info }: CheckedLibrary, { platform, cpu }: FirstUseFacts): object {
  return {
    passed: new Date().toISOString(),
    system: platformLabel(platform),
    cpu,
    isa: info['isa'],
    library: path,
  }
}

function factsOfProcess(): FirstUseFacts {
  return { platform: PLATFORM, cache: cacheFolder(), cpu: cpus()[0]?.model ?? 'unknown' }
}
