/** So many numbers, one after the other; `Float32Array.from({ length }, draw)` gives the same and first makes an array of objects of them. */
export function drawn(count: number, draw: (index: number) => number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) values[i] = draw(i)
  return values
}
