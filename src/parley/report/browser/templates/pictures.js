// Pictures, read from the page part by part when the first of a part is shown.

const pictureLines = new Map();

function pictureOf(image, part) {
  const name = groupOf(part);
  if (!pictureLines.has(name)) pictureLines.set(name, byId(`pictures-${name}`).textContent.split("\n"));
  return pictureLines.get(name)[image - INDEX.groups[name].start] ?? "";
}

// An image, or a plain field with the class's first letter where there is no picture of it.
function picture(talks, row, alt) {
  const base64 = pictureOf(talks.arrays.image[row], talks.part);
  if (base64) return make("img", { src: `data:image/jpeg;base64,${base64}`, alt, decoding: "async" });
  const letter = [...talks.labels[talks.target(row)]][0] ?? "?";
  const text = alt === "" ? { "aria-hidden": "true" } : { role: "img", "aria-label": `${alt} (there is no picture)` };
  return make("span", { class: "no-picture", ...text }, make("span", { "aria-hidden": "true" }, letter));
}
