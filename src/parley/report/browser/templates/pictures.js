// Images. Those of a split are read from the page when the first of them is shown.

const pictureLines = new Map();

function pictureOf(image, part) {
  const name = imageGroup(part);
  if (!pictureLines.has(name)) pictureLines.set(name, byId(`pictures-${name}`).textContent.split("\n"));
  return pictureLines.get(name)[image - INDEX.groups[name].start] ?? "";
}

// Return an image, or a field with the first letter of the class if the page does not contain the image.
function picture(dialogues, row, alt) {
  const base64 = pictureOf(dialogues.arrays.image[row], dialogues.part);
  if (base64) return make("img", { src: `data:image/jpeg;base64,${base64}`, alt, decoding: "async" });
  const letter = [...dialogues.labels[dialogues.target(row)]][0] ?? "?";
  const text = alt === "" ? { "aria-hidden": "true" } : { role: "img", "aria-label": `${alt} (no picture)` };
  return make("span", { class: "no-picture", ...text }, make("span", { "aria-hidden": "true" }, letter));
}
