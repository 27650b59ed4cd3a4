/** A number as people read it: four digits. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)))
}
