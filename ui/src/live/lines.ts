/** A splitter gives the whole lines of a text that comes in pieces. */
export class Splitter {
  private rest = ''

  /** add returns the lines that are whole now; empty ones are signs of life and left out. */
  add(piece: string): string[] {
    const lines = (this.rest + piece).split('\n')
    this.rest = lines.pop() ?? ''
    return lines.filter((line) => line !== '')
  }
}

/** A meter counts what came in the last seconds. */
export class Meter {
  private readonly slots: number[]
  private at = 0
  private from = 0
  constructor(private readonly seconds = 4) { this.slots = new Array<number>(seconds + 1).fill(0) }

  add(n: number, now: number): void {
    this.turn(now)
    const slot = this.at % this.slots.length
    this.slots[slot] = (this.slots[slot] ?? 0) + n
  }

  /** rate is a second, over the whole seconds before this one, as many as there were. */
  rate(now: number): number {
    this.turn(now)
    const whole = Math.min(this.seconds, this.at - this.from)
    const running = this.slots[this.at % this.slots.length] ?? 0
    if (whole <= 0) return running
    return (this.slots.reduce((a, b) => a + b, 0) - running) / whole
  }

  private turn(now: number): void {
    const second = Math.floor(now / 1000)
    if (this.from === 0) { this.from = second; this.at = second }
    if (second - this.at >= this.slots.length) this.slots.fill(0)
    else for (let s = this.at + 1; s <= second; s++) this.slots[s % this.slots.length] = 0
    this.at = Math.max(this.at, second)
  }
}
