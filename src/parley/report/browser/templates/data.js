// What the page holds: the index, read at once, and a block of arrays for each run, seed and part, opened when wanted.

const INDEX = JSON.parse(byId("index").textContent);
const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array, f4: Float32Array };
const FINE = 65535, COARSE = 255;
const opened = new Map();

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// The place of a run's, seed's and part's set in the index; -1 where there is none.
function placeOf(run, seed, part) {
  return INDEX.sets.findIndex((set) => set.run === run && String(set.seed) === String(seed) && set.part === part);
}

function openSet(place) {
  if (!opened.has(place)) opened.set(place, unpacked(place));
  return opened.get(place);
}

async function unpacked(place) {
  const told = INDEX.sets[place];
  const buffer = await inflated(bytesOf(byId(`block-${place}`).textContent));
  const arrays = {};
  for (const [name, kind, shape, start] of told.layout) {
    const size = shape.reduce((product, side) => product * side, 1);
    arrays[name] = new KINDS[kind](buffer, start, size);
  }
  return new Talks(told, arrays);
}

function groupOf(part) {
  return part.replace(/_alone$/, "");
}

function keyOf(image, part) {
  const group = INDEX.groups[groupOf(part)];
  return group.keys[image - group.start];
}
