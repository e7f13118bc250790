// Find the dialogues with the most similar last messages of the Sender, in the same run, seed and split.

const NEAREST = 8;

function popcount(byte) {
  let ones = 0;
  for (let left = byte; left; left &= left - 1) ones++;
  return ones;
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => popcount(byte));

// Return the number of bits that differ between two messages; if continuous, the sum of absolute differences.
function distance(dialogues, row, other) {
  const wide = dialogues.binary ? Math.ceil(dialogues.bits / 8) : dialogues.bits;
  const values = dialogues.arrays[dialogues.binary ? "sender_bits" : "sender_numbers"];
  const start = (which) => (which * dialogues.exchanges + dialogues.length(which) - 1) * wide;
  const [here, there] = [start(row), start(other)];
  let sum = 0;
  for (let i = 0; i < wide; i++) {
    sum += dialogues.binary ? ONES[values[here + i] ^ values[there + i]] : Math.abs(values[here + i] - values[there + i]);
  }
  return dialogues.binary ? sum : sum * dialogues.step;
}

function nearest(dialogues, row) {
  const found = [];
  for (let other = 0; other < dialogues.shown; other++) if (other !== row) found.push({ row: other, distance: distance(dialogues, row, other) });
  found.sort((a, b) => a.distance - b.distance || a.row - b.row);
  return found.slice(0, NEAREST);
}
