// Dialogues of one run, seed and split. `row` is the index of a dialogue, and `t` an exchange, counted from 0.

class Dialogues {
  constructor(entry, arrays) {
    Object.assign(this, entry);
    this.arrays = arrays;
    const { labels, ids } = INDEX.shared[entry.candidates];
    this.labels = labels;
    this.ids = ids;
    this.words = INDEX.shared[entry.words];
    this.leaders = Math.min(labels.length, arrays.top.length / Math.max(1, entry.shown * entry.exchanges));
    this.binary = entry.step === 0;
    this.rowOfKey = new Map();
    for (let row = 0; row < entry.shown; row++) this.rowOfKey.set(this.key(row), row);
  }

  key(row) { return keyOf(this.arrays.image[row], this.part); }
  rowOf(key) { return this.rowOfKey.get(key) ?? -1; }
  length(row) { return this.arrays.length[row]; }
  target(row) { return this.arrays.target[row]; }
  rank(row, t) { return this.arrays.rank[row * this.exchanges + t]; }
  trueProbability(row, t) { return this.arrays.true_probability[row * this.exchanges + t] / FINE; }
  goOnProbability(row, t) { return this.arrays.go_on_probability[row * this.exchanges + t] / FINE; }
  goOnProduct(row, t) { return Array.from({ length: t + 1 }, (_, i) => this.goOnProbability(row, i)).reduce((a, b) => a * b); }
  goesOn(row, t) { return this.arrays.goes_on[row * this.exchanges + t] === 1; }

  // Return the best candidates after an exchange, best first, each with its column and probability.
  top(row, t) {
    const start = (row * this.exchanges + t) * this.leaders;
    return Array.from({ length: this.leaders }, (_, i) => ({
      column: this.arrays.top[start + i],
      probability: this.arrays.top_probability[start + i] / FINE,
    }));
  }

  answer(row) { return this.top(row, this.length(row) - 1)[0]; }
  right(row) { return this.answer(row).column === this.target(row); }

  bit(agent, row, t, bit) {
    const wide = Math.ceil(this.bits / 8);
    const byte = this.arrays[`${agent}_bits`][(row * this.exchanges + t) * wide + (bit >> 3)];
    return (byte >> (7 - (bit & 7))) & 1;
  }

  // Return the message of an agent: for each bit, its value and the probability of 1; if continuous, each number.
  message(agent, row, t) {
    const start = (row * this.exchanges + t) * this.bits;
    return Array.from({ length: this.bits }, (_, bit) => this.binary
      ? { value: this.bit(agent, row, t, bit), probability: this.arrays[`${agent}_probabilities`][start + bit] / COARSE }
      : { value: this.arrays[`${agent}_numbers`][start + bit] * this.step });
  }
}
