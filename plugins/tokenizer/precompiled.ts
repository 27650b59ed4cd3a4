/**
 * SentencePiece's compiled normalisation rules: a trie of replacements in a double array
 * (https://github.com/google/sentencepiece, src/normalizer.cc; the array is Darts-clone's). As in the Rust library the
 * shortest rule that fits the start of a grapheme replaces all of it when it has fewer than 6 bytes.
 */
import type { Part } from './part.ts'

export function precompiled(part: Part): (text: string) => string {
  const lookUp = readRules(part)
  const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })
  const character = (c: string): string => lookUp(c) ?? c
  const grapheme = (text: string): string => {
    const whole = utf8Length(text) < 6 ? lookUp(text) : undefined
    return whole ?? Array.from(text, character).join('')
  }
  return (text) => {
    let normalized = ''
    for (const { segment } of segmenter.segment(text)) normalized += grapheme(segment)
    return normalized
  }
}

const ENCODER = new TextEncoder()

function utf8Length(text: string): number {
  return text.length >= 6 ? text.length : ENCODER.encode(text).length
}

function readRules(part: Part): (text: string) => string | undefined {
  const bad = (): Error => part.wrong('precompiled_charsmap', 'rules of SentencePiece in base64')
  const bytes = fromBase64(part.text('precompiled_charsmap'))
  if (bytes === null || bytes.length < 4) throw bad()
  const view = new DataView(bytes.buffer)
  const size = view.getUint32(0, true)
  if (size % 4 !== 0 || size === 0 || 4 + size > bytes.length) throw bad()
  const units = new Uint32Array(size / 4)
  for (let i = 0; i < units.length; i++) units[i] = view.getUint32(4 + 4 * i, true)
  const replacements = bytes.subarray(4 + size)
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const known = new Map<string, string | undefined>()

  function replacementOf(text: string): string | undefined {
    const start = shortestMatch(units, ENCODER.encode(text))
    if (start === undefined || start > replacements.length) return undefined
    const end = replacements.indexOf(0, start)
    return decoder.decode(replacements.subarray(start, end < 0 ? replacements.length : end))
  }
  return (text) => {
    if (known.has(text)) return known.get(text)
    const replacement = replacementOf(text)
    if (known.size < 100_000) known.set(text, replacement)
    return replacement
  }
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return null
  }
}

/** The value of the shortest key that `bytes` starts with. */
function shortestMatch(units: Uint32Array, bytes: Uint8Array): number | undefined {
  let node = offsetOf(units[0])
  for (const byte of bytes) {
    if (byte === 0) return undefined
    node ^= byte
    if (node >= units.length) return undefined
    const unit = units[node]
    if ((unit & 0x800000ff) >>> 0 !== byte) return undefined
    node ^= offsetOf(unit)
    if (((unit >>> 8) & 1) === 1) return node < units.length ? units[node] & 0x7fffffff : undefined
  }
  return undefined
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6)
}
