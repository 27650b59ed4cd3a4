/**
 * Room for the numbers of a block while it is coded. There is one for all, so nothing of it may be kept: whoever asks next writes over it.
 */

/** So many numbers, with anything in them. */
export function scratchNumbers(length: number): Float64Array {
  if (view.length === length) return view
  if (room.length < length) room = new Float64Array(length)
  view = room.subarray(0, length)
  return view
}

/** The same in f32, of other memory. */
export function scratchFloats(length: number): Float32Array {
  if (floats.length < length) floats = new Float32Array(length)
  return floats.subarray(0, length)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

let room = new Float64Array(0)
let view = room
let floats = new Float32Array(0)
