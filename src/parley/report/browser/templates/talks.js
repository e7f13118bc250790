// The conversations of one run, seed and part. A row is a conversation, t an exchange from 0.

class Talks {
  constructor(told, arrays) {
    Object.assign(this, told);
    this.arrays = arrays;
    const { labels, ids } = INDEX.shared[told.candidates];
    this.labels = labels;
    this.ids = ids;
    this.words = INDEX.shared[told.words];
    this.leaders = Math.min(labels.length, arrays.top.length / Math.max(1, told.shown * told.exchanges));
    this.binary = told.step === 0;
    this.rowOfKey = new Map();
    for (let row = 0; row < told.shown; row++) this.rowOfKey.set(this.key(row), row);
  }

  key(row) { return keyOf(this.arrays.image[row], this.part); }
  rowOf(key) { return this.rowOfKey.get(key) ?? -1; }
  length(row) { return this.arrays.length[row]; }
  target(row) { return this.arrays.target[row]; }
  rank(row, t) { return this.arrays.rank[row * this.exchanges + t]; }
  trueShare(row, t) { return this.arrays.true_share[row * this.exchanges + t] / FINE; }
  goShare(row, t) { return this.arrays.go_share[row * this.exchanges + t] / FINE; }
  goProduct(row, t) { return Array.from({ length: t + 1 }, (_, i) => this.goShare(row, i)).reduce((a, b) => a * b); }
  goesOn(row, t) { return this.arrays.goes_on[row * this.exchanges + t] === 1; }

  // The best candidates after an exchange, best first: column and probability.
  top(row, t) {
    const start = (row * this.exchanges + t) * this.leaders;
    return Array.from({ length: this.leaders }, (_, place) => ({
      column: this.arrays.top[start + place],
      share: this.arrays.top_share[start + place] / FINE,
    }));
  }

  answer(row) { return this.top(row, this.length(row) - 1)[0]; }
  right(row) { return this.answer(row).column === this.target(row); }

  bit(agent, row, t, bit) {
    const wide = Math.ceil(this.bits / 8);
    const byte = this.arrays[`${agent}_bits`][(row * this.exchanges + t) * wide + (bit >> 3)];
    return (byte >> (7 - (bit & 7))) & 1;
  }

  // An agent's message: of each bit its value and its probability to be 1, or the numbers that were sent.
  message(agent, row, t) {
    const start = (row * this.exchanges + t) * this.bits;
    return Array.from({ length: this.bits }, (_, bit) => this.binary
      ? { value: this.bit(agent, row, t, bit), share: this.arrays[`${agent}_shares`][start + bit] / COARSE }
      : { value: this.arrays[`${agent}_numbers`][start + bit] * this.step });
  }
}
