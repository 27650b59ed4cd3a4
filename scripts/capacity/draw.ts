/**
 * The recall of item memories as an SVG: a panel for each number of dimensions, lines for the theory, dots for what was measured.
 */

export interface RecallPanel {
  readonly dims: number
  readonly curves: readonly RecallCurve[]
}

export interface RecallCurve {
  readonly noise: number
  /** Items and share found, exactly. */
  readonly theory: readonly Point[]
  readonly measured: readonly Point[]
}

export interface Point {
  readonly items: number
  readonly recall: number
}

const PANEL = { width: 380, height: 300, gap: 60, left: 50, top: 50 }
const COLOURS = ['#1b6ca8', '#2a9d64', '#c98a00', '#d1495b', '#6a4c93']
const [FIRST, LAST] = [10, 10_000]

export function drawRecall(panels: readonly RecallPanel[], title: string, footer: string): string {
  const width = PANEL.left + panels.length * (PANEL.width + PANEL.gap)
  const height = PANEL.top + PANEL.height + 100
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222">
<title>${title}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${panels.map((panel, i) => drawPanel(panel, PANEL.left + i * (PANEL.width + PANEL.gap))).join('\n')}
${legend(panels[0].curves, height - 38)}
<text x="${PANEL.left}" y="${height - 12}" fill="#666">${footer}</text>
</svg>
`
}

function drawPanel({ dims, curves }: RecallPanel, left: number): string {
  const { width, height, top } = PANEL
  const x = (items: number): string =>
    (left + (width * Math.log(items / FIRST)) / Math.log(LAST / FIRST)).toFixed(1)
  const y = (recall: number): string => (top + height * (1 - recall)).toFixed(1)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (recall) =>
      `<path d="M${left} ${y(recall)}h${width}" stroke="#ddd"/><text x="${left - 6}" y="${Number(y(recall)) + 4}" text-anchor="end">${recall}</text>`,
  )
  const ticks = [10, 100, 1000, 10_000].map(
    (items) =>
      `<path d="M${x(items)} ${top}v${height}" stroke="#eee"/><text x="${x(items)}" y="${top + height + 18}" text-anchor="middle">${items.toLocaleString('en')}</text>`,
  )
  const lines = curves.map(({ theory, measured }, i) => {
    const path = theory
      .map(({ items, recall }, j) => `${j === 0 ? 'M' : 'L'}${x(items)} ${y(recall)}`)
      .join('')
    const dots = measured.map(
      ({ items, recall }) => `<circle cx="${x(items)}" cy="${y(recall)}" r="3.5" fill="${COLOURS[i]}"/>`,
    )
    return `<path d="${path}" fill="none" stroke="${COLOURS[i]}" stroke-width="1.5"/>${dots.join('')}`
  })
  return `<g><text x="${left}" y="${top - 16}" font-size="14" font-weight="bold">${dims} dimensions</text>
${grid.join('')}${ticks.join('')}
${lines.join('\n')}
<text x="${left + width / 2}" y="${top + height + 36}" text-anchor="middle">items in the memory</text>
<text x="${left - 36}" y="${top + height / 2}" text-anchor="middle" transform="rotate(-90 ${left - 36} ${top + height / 2})">found</text></g>`
}

function legend(curves: readonly RecallCurve[], y: number): string {
  return curves
    .map(({ noise }, i) => {
      const x = PANEL.left + i * 130
      return `<path d="M${x} ${y - 4}h24" stroke="${COLOURS[i]}" stroke-width="1.5"/><circle cx="${x + 12}" cy="${y - 4}" r="3.5" fill="${COLOURS[i]}"/><text x="${x + 30}" y="${y}">noise ${Math.round(100 * noise)} %</text>`
    })
    .join('')
}
