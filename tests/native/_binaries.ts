/**
 * Small libraries of each system, as zig makes them (tests/oracle/binaries.py), and what people do to libraries.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { CPU_PLATFORMS } from '../../core/native/platforms.ts'

/** It has the functions that a library is asked by first, and is of ABI version 1. */
export function tinyLibrary(platform: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(readFileSync(join(import.meta.dir, `../golden/binaries/${platform}.gz`))))
}

export const TINY_PLATFORMS: readonly string[] = CPU_PLATFORMS

/** Several Mach-O files in one, as `lipo -create` makes them. */
export function universal(parts: readonly Uint8Array[]): Uint8Array {
  const page = 1 << 14
  const starts = parts.map((_, i) =>
    parts.slice(0, i).reduce((sum, part) => sum + Math.ceil(part.length / page) * page, page),
  )
  const all = new Uint8Array((starts.at(-1) ?? 0) + (parts.at(-1)?.length ?? 0))
  const view = new DataView(all.buffer)
  view.setUint32(0, 0xcafebabe)
  view.setUint32(4, parts.length)
  for (const [i, part] of parts.entries()) {
    const machine = new DataView(part.buffer, part.byteOffset).getUint32(4, true)
    for (const [word, value] of [machine, 0, starts[i], part.length, 14].entries())
      view.setUint32(8 + 20 * i + 4 * word, value)
    all.set(part, starts[i])
  }
  return all
}

/** A copy with one number changed. */
export function changed(file: Uint8Array, at: number, value: number, bytes: 1 | 2 | 4 = 2): Uint8Array {
  const copy = Uint8Array.from(file)
  const view = new DataView(copy.buffer)
  if (bytes === 1) view.setUint8(at, value)
  else if (bytes === 2) view.setUint16(at, value, true)
  else view.setUint32(at, value, true)
  return copy
}

/** Writes a file and the folders above it; returns its path. */
export function place(folder: string, name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}
