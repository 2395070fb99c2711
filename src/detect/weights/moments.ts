/** Sums over a stream of numbers, in float64: finite or not, norm, kurtosis, constancy. */

export class Moments {
  nanCount = 0;
  infiniteCount = 0;
  finiteCount = 0;
  nonZeroCount = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  #sum = 0;
  #sum2 = 0;
  #sum3 = 0;
  #sum4 = 0;

  add(data: Float32Array): void {
    let sum = 0;
    let sum2 = 0;
    let sum3 = 0;
    let sum4 = 0;
    let finite = 0;
    let nonZero = 0;
    for (let i = 0; i < data.length; i++) {
      const x = data[i] as number;
      // Infinity minus itself and NaN minus itself are NaN; a finite number gives 0.
      if (x - x !== 0) {
        if (Number.isNaN(x)) this.nanCount++;
        else this.infiniteCount++;
        continue;
      }
      const square = x * x;
      finite++;
      if (x !== 0) nonZero++;
      sum += x;
      sum2 += square;
      sum3 += square * x;
      sum4 += square * square;
      if (x < this.min) this.min = x;
      if (x > this.max) this.max = x;
    }
    this.finiteCount += finite;
    this.nonZeroCount += nonZero;
    this.#sum += sum;
    this.#sum2 += sum2;
    this.#sum3 += sum3;
    this.#sum4 += sum4;
  }

  get norm(): number {
    return Math.sqrt(this.#sum2);
  }

  get constant(): boolean {
    return this.finiteCount > 0 && this.min === this.max;
  }

  /** Excess kurtosis; 0 when there is no spread. */
  get kurtosis(): number {
    const n = this.finiteCount;
    if (n === 0) return 0;
    const mean = this.#sum / n;
    const m2 = this.#sum2 / n - mean ** 2;
    if (m2 <= 0) return 0;
    const m4 =
      this.#sum4 / n -
      (4 * mean * this.#sum3) / n +
      (6 * mean ** 2 * this.#sum2) / n -
      3 * mean ** 4;
    return m4 / m2 ** 2 - 3;
  }
}
