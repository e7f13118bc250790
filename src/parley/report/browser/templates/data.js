// Data of the page: an index, and for each run, seed and split a set of arrays, which is unpacked when first needed.

const INDEX = JSON.parse(byId("index").textContent);
const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array, f4: Float32Array };
const FINE = 65535, COARSE = 255;
const loaded = new Map();

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Return the number of the set of a run, seed and split in the index; -1 if there is no such set.
function setNumber(run, seed, part) {
  return INDEX.sets.findIndex((set) => set.run === run && String(set.seed) === String(seed) && set.part === part);
}

function openSet(number) {
  if (!loaded.has(number)) loaded.set(number, loadSet(number));
  return loaded.get(number);
}

async function loadSet(number) {
  const entry = INDEX.sets[number];
  const buffer = await inflated(bytesOf(byId(`block-${number}`).textContent));
  const arrays = {};
  for (const [name, kind, shape, start] of entry.layout) {
    const size = shape.reduce((product, side) => product * side, 1);
    arrays[name] = new KINDS[kind](buffer, start, size);
  }
  return new Dialogues(entry, arrays);
}

// Return the split from which the images come: `ood` for `ood_alone`.
function imageGroup(part) {
  return part.replace(/_alone$/, "");
}

function keyOf(image, part) {
  const group = INDEX.groups[imageGroup(part)];
  return group.keys[image - group.start];
}
