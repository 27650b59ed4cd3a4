/**
 * Means of rewards by step as an SVG: one line each, from 0 to 1.
 */
export interface Curve {
  readonly name: string
  /** One a step, from 0 to 1. */
  readonly values: readonly number[]
}

const BOX = { left: 56, top: 46, width: 620, height: 300 }
const COLOURS = ['#d1495b', '#1b6ca8', '#2a9d64', '#c98a00']

/** The first curve is drawn bolder. */
export function drawCurves(curves: readonly Curve[], title: string, footer: string): string {
  const { left, top, width, height } = BOX
  const steps = Math.max(...curves.map(({ values }) => values.length))
  const x = (step: number): string => (left + (width * (step - 1)) / Math.max(1, steps - 1)).toFixed(1)
  const y = (value: number): string => (top + height * (1 - value)).toFixed(1)
  const grid = [0, 0.2, 0.4, 0.6, 0.8, 1].map(
    (value) =>
      `<path d="M${left} ${y(value)}h${width}" stroke="#ddd"/><text x="${left - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${value}</text>`,
  )
  const every = Math.max(1, Math.ceil(steps / 80) * 10)
  const ticks = Array.from({ length: Math.floor(steps / every) }, (_, i) => (i + 1) * every).map(
    (step) => `<text x="${x(step)}" y="${top + height + 18}" text-anchor="middle">${step}</text>`,
  )
  const lines = curves.map(({ values }, i) => {
    const path = values.map((value, step) => `${step === 0 ? 'M' : 'L'}${x(step + 1)} ${y(value)}`).join('')
    return `<path d="${path}" fill="none" stroke="${COLOURS[i]}" stroke-width="${i === 0 ? 2.5 : 1.3}"/>`
  })
  const names = curves.map(({ name }, i) => {
    const at = left + i * 150
    const below = top + height + 58
    return `<path d="M${at} ${below - 4}h24" stroke="${COLOURS[i]}" stroke-width="${i === 0 ? 2.5 : 1.3}"/><text x="${at + 30}" y="${below}">${name}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 30} ${top + height + 96}" font-family="sans-serif" font-size="12" fill="#222">
<title>${title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${left}" y="${top - 18}" font-size="14" font-weight="bold">${title}</text>
${grid.join('')}${ticks.join('')}
<text x="${left + width / 2}" y="${top + height + 36}" text-anchor="middle">step</text>
${lines.join('\n')}
${names.join('')}
<text x="${left}" y="${top + height + 84}" fill="#666">${footer}</text>
</svg>
`
}
