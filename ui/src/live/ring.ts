/** A ring keeps the last values, each under the number in which it came: 1, 2, 3 … */
export class Ring<T> {
  readonly capacity: number
  private readonly kept: (T | undefined)[]
  private count = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.kept = new Array<T | undefined>(capacity)
  }

  /** push keeps a value and returns its number. */
  push(value: T): number {
    this.kept[this.count % this.capacity] = value
    return ++this.count
  }

  /** The number of the oldest that is kept; one more than last when there is none. */
  get first(): number { return Math.max(1, this.count - this.capacity + 1) }

  /** The number of the newest; 0 when there is none. */
  get last(): number { return this.count }

  /** get returns the value of a number, or undefined when it is not kept. */
  get(number: number): T | undefined {
    return number < this.first || number > this.count ? undefined : this.kept[(number - 1) % this.capacity]
  }

  clear(): void {
    this.kept.fill(undefined)
    this.count = 0
  }
}
