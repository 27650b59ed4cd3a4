/** The keys of a terminal, one by one. */
import { emitKeypressEvents } from 'node:readline'
import type { Key, KeyListener } from '../../plugins/monitor/mod.ts'

/** `input` is raw until it is disposed. */
export function listenToKeys(
  input: NodeJS.ReadableStream & { setRawMode?(raw: boolean): unknown },
  { onKey, onEnd }: KeyListener,
): Disposable {
  const pressed = (_text: string | undefined, key: Key): void => onKey(key)
  emitKeypressEvents(input)
  input.on('keypress', pressed).on('end', onEnd)
  input.setRawMode?.(true)
  input.resume()
  return {
    [Symbol.dispose]() {
      input.off('keypress', pressed).off('end', onEnd)
      input.setRawMode?.(false)
      input.pause()
    },
  }
}
