// Messages near a message: the Sender's at the stop, of the same run, seed and part.

const NEAREST = 8;

function popcount(byte) {
  let ones = 0;
  for (let left = byte; left; left &= left - 1) ones++;
  return ones;
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => popcount(byte));

// Bits that differ; of continuous messages, the sum of absolute differences.
function distance(talks, row, other) {
  const wide = talks.binary ? Math.ceil(talks.bits / 8) : talks.bits;
  const values = talks.arrays[talks.binary ? "sender_bits" : "sender_numbers"];
  const start = (which) => (which * talks.exchanges + talks.length(which) - 1) * wide;
  const [here, there] = [start(row), start(other)];
  let apart = 0;
  for (let place = 0; place < wide; place++) {
    apart += talks.binary ? ONES[values[here + place] ^ values[there + place]] : Math.abs(values[here + place] - values[there + place]);
  }
  return talks.binary ? apart : apart * talks.step;
}

function nearest(talks, row) {
  const found = [];
  for (let other = 0; other < talks.shown; other++) if (other !== row) found.push({ row: other, apart: distance(talks, row, other) });
  found.sort((a, b) => a.apart - b.apart || a.row - b.row);
  return found.slice(0, NEAREST);
}
