/**
 * The modules that come with tritune, from the file system: for Bun, Deno and Node. A page loads them itself.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Device, TrituneError } from '../../core/mod.ts'
import { fileError } from '../../core/files/files.ts'
import { installCommand } from '../../core/install-command.ts'
import { isCheckout } from '../../core/invocation.ts'
import { openWasmNow, type WasmOptions } from './device.ts'
import { engineOf } from './engine.ts'

/** Where the module that fits this engine is: TRITUNE_WASM_LIBRARY, or the bundled one. */
export function wasmModulePath(): string {
  const override = process.env.TRITUNE_WASM_LIBRARY
  if (override) return override
  const file = engineOf().relaxedSimd ? 'tritune_cpu_relaxed.wasm' : 'tritune_cpu.wasm'
  const url = new URL(`../../native/prebuilt/wasm/${file}`, import.meta.url)
  // Sources that were loaded from the network have no folder with modules.
  return url.protocol === 'file:' ? fileURLToPath(url) : url.href
}

/**
 * Opens the device on the bundled module. Throws E_LIBRARY when it is missing, damaged or of another version, or the engine has no SIMD.
 *
 * @example
 * ```ts
 * import { tensor, tensorScope } from 'tritune/core'
 * import { openWasm } from 'tritune/plugins/wasm'
 *
 * const device = openWasm({ threads: 1 })
 * using _scope = tensorScope()
 * console.log(tensor([1, 2, 3], { device }).toArray().join(' ')) // → 1 2 3
 * ```
 */
export function openWasm(options: WasmOptions = {}): Device {
  const place = wasmModulePath()
  if (!existsSync(place)) throw new TrituneError('E_LIBRARY', `${place} is not there`, { remedy: remedy() })
  return openWasmNow({ ...options, bytes: read(place), place, remedy: remedy() })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function read(place: string): Uint8Array {
  try {
    return readFileSync(place)
  } catch (error) {
    throw fileError(error, place, 'cannot read the module')
  }
}

function remedy(): string {
  const named = process.env.TRITUNE_WASM_LIBRARY ? 'unset TRITUNE_WASM_LIBRARY, or ' : ''
  // Both: the one that fits this engine may be either.
  return isCheckout()
    ? `${named}restore native/prebuilt from the repository, or build it with \`bun run native --target=wasm,wasm-relaxed\` (needs zig)`
    : `${named || 'again, '}${installCommand('tritune')}`
}
