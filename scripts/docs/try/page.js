/* The page that trains: buttons, progress, the curve. The work is in worker.js; what they say to each other is in messages.ts. */
const at = (id) => document.querySelector(`#${id}`)
const styles = () => getComputedStyle(document.documentElement)
const losses = []
let total = 100
let worker
let began = 0

at('order').addEventListener('submit', (event) => {
  event.preventDefault()
  start(Number(at('steps').value))
})
at('stop').addEventListener('click', () => {
  worker?.postMessage({ type: 'stop' }, [])
  at('stop').disabled = true
  say('stopping after this step …')
})
new ResizeObserver(draw).observe(at('curve'))
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)

if (location.protocol === 'file:') {
  fail('A page from a file cannot load the model.', 'open it through a server: bunx serve docs-site')
  at('go').disabled = true
}

function start(steps) {
  worker?.terminate()
  losses.length = 0
  total = steps
  for (const id of ['perplexity-before', 'perplexity-after', 'sample-before', 'sample-after'])
    at(id).textContent = '–'
  at('failure').hidden = true
  at('progress').value = 0
  running(true)
  draw()
  worker = new Worker('worker.js', { type: 'module' })
  worker.addEventListener('message', ({ data }) => on[data.type](data))
  worker.addEventListener('error', ({ message }) => fail(message || 'the worker could not be started'))
  worker.postMessage({ type: 'start', steps, threads: 0 }, [])
}

const on = {
  loading: ({ text }) => say(`${text} …`),
  ready({ device, parameters, trained }) {
    at('device').textContent =
      `${device}; ${millions(parameters)} parameters, ${millions(trained)} of them added and trained`
    say('reading chapters that are not trained on …')
  },
  sight({ when, sight }) {
    at(`perplexity-${when}`).textContent = sight.perplexity.toFixed(1)
    const prompt = Object.assign(document.createElement('b'), { textContent: sight.prompt })
    at(`sample-${when}`).replaceChildren(prompt, `${sight.text} …`)
    if (when === 'before') began = performance.now()
  },
  step({ step, steps, loss, tokensPerSecond }) {
    losses.push(loss)
    at('progress').value = step / steps
    const left = ((performance.now() - began) / step / 1000) * (steps - step)
    say(
      `step ${step} of ${steps}, loss ${loss.toFixed(3)}, ${tokensPerSecond.toFixed(0)} tokens/s, ${duration(left)} left`,
    )
    draw()
  },
  done({ steps, left }) {
    const seconds = (performance.now() - began) / 1000
    say(`${steps} steps${steps < total ? ', then stopped' : ''}`)
    document.body.dataset.left = String(left)
    document.body.dataset.seconds = seconds.toFixed(1)
    running(false)
    worker.terminate()
    worker = undefined
  },
  failed: ({ message, remedy }) => fail(message, remedy),
}

function say(text) {
  at('status').textContent = text
}

function fail(message, remedy) {
  at('failure').hidden = false
  at('failure').textContent = remedy ? `${message}. ${remedy}` : message
  say('')
  running(false)
  worker?.terminate()
  worker = undefined
}

function running(is) {
  at('go').disabled = is
  at('stop').disabled = !is
  document.body.dataset.training = String(is)
}

function millions(count) {
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)} million` : `${Math.round(count / 1000)} thousand`
}

function duration(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}

/** The losses as dots, their running mean as a line. */
function draw() {
  const canvas = at('curve')
  const { width, height } = canvas.getBoundingClientRect()
  const scale = devicePixelRatio || 1
  canvas.width = Math.round(width * scale)
  canvas.height = Math.round(height * scale)
  const pen = canvas.getContext('2d')
  pen.scale(scale, scale)
  const colour = (name) => styles().getPropertyValue(`--${name}`).trim()
  const [left, right, top, bottom] = [44, width - 14, 16, height - 28]
  pen.font = '12px system-ui, sans-serif'
  pen.fillStyle = colour('soft')
  pen.textAlign = 'center'
  if (losses.length === 0) {
    pen.fillText('the loss of each step appears here', width / 2, height / 2)
    return
  }
  const least = Math.floor(Math.min(...losses) * 2) / 2
  const most = Math.max(least + 0.5, Math.ceil(Math.max(...losses) * 2) / 2)
  const x = (step) => left + ((right - left) * step) / Math.max(1, total - 1)
  const y = (loss) => bottom - ((bottom - top) * (loss - least)) / (most - least)
  pen.strokeStyle = colour('line')
  pen.textAlign = 'right'
  for (let mark = least; mark <= most + 1e-9; mark += (most - least) / 4) {
    pen.beginPath()
    pen.moveTo(left, y(mark))
    pen.lineTo(right, y(mark))
    pen.stroke()
    pen.fillText(mark.toFixed(2), left - 6, y(mark) + 4)
  }
  pen.textAlign = 'left'
  pen.fillText('step 1', left, height - 8)
  pen.textAlign = 'right'
  pen.fillText(`step ${total}`, right, height - 8)
  pen.fillStyle = colour('soft')
  losses.forEach((loss, step) => {
    pen.beginPath()
    pen.arc(x(step), y(loss), 1.6, 0, 7)
    pen.fill()
  })
  pen.strokeStyle = colour('accent')
  pen.lineWidth = 2
  pen.beginPath()
  let mean = losses[0]
  losses.forEach((loss, step) => {
    mean += (loss - mean) * Math.min(1, Math.max(0.12, 1 / (step + 1)))
    pen.lineTo(x(step), y(mean))
  })
  pen.stroke()
}
draw()
