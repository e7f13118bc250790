// Show the attention at an exchange: over the cells of the image, and over the words of descriptions.

function attention(dialogues, row, t) {
  const parts = [cellMap(dialogues, row, t), ...wordLines(dialogues, row, t)].filter(Boolean);
  return parts.length ? make("div", { class: "attention" }, parts) : null;
}

// Return the weights of one exchange. They are stored relative to the largest weight, which is stored separately.
function weights(values, largest, index, size, count) {
  return Array.from({ length: count }, (_, i) => (values[index * size + i] / COARSE) * (largest[index] / FINE));
}

function cellMap(dialogues, row, t) {
  const { cells, cells_largest: largests } = dialogues.arrays;
  if (!cells) return null;
  const count = cells.length / (dialogues.shown * dialogues.exchanges);
  const [height, width] = dialogues.grid.length ? dialogues.grid : [1, count];
  const values = weights(cells, largests, row * dialogues.exchanges + t, count, count);
  const largest = Math.max(...values, 1e-9);
  const best = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 3);
  const text = best.map((cell) => `row ${Math.floor(cell / width) + 1}, column ${(cell % width) + 1}: ${threeDecimals(values[cell])}`).join("; ");
  const grid = make("span", { class: "cells", style: { "--columns": width, "--rows": height } },
    values.map((weight, cell) => make("i", { style: { "--w": (weight / largest).toFixed(3) }, title: `Row ${Math.floor(cell / width) + 1}, column ${(cell % width) + 1}: ${threeDecimals(weight)}` })));
  const image = picture(dialogues, row, "");
  if (image.tagName === "IMG") image.addEventListener("load", () => fitCells(image, grid));
  return make("figure", { class: "attended" },
    make("span", { class: "stack", role: "img", "aria-label": `The Sender attends most to ${text}` }, image, grid),
    make("figcaption", {}, `Sender attention: largest weight ${threeDecimals(largest)}`));
}

// Fit the cells to the centred square of the image that the network saw. INDEX.seen is the side of this square as a
// fraction of the image's shorter side.
function fitCells(image, grid) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const side = INDEX.seen * Math.min(width, height);
  grid.style.setProperty("inset", `${50 * (1 - side / height)}% ${50 * (1 - side / width)}%`);
}

function wordLines(dialogues, row, t) {
  const { words, words_largest: largests } = dialogues.arrays;
  if (!words) return [];
  const count = words.length / (dialogues.shown * dialogues.exchanges * 2);
  const columns = [dialogues.target(row), dialogues.answer(row).column];
  return (columns[0] === columns[1] ? [0] : [0, 1]).map((which) => {
    const texts = dialogues.words[columns[which]] ?? [];
    const values = weights(words, largests, (row * dialogues.exchanges + t) * 2 + which, count, texts.length);
    const largest = Math.max(...values, 1e-9);
    return make("div", { class: "read" },
      make("p", {}, "Receiver attention to ", isolated(dialogues.labels[columns[which]]), ":"),
      make("ul", { class: "weights" }, texts.map((word, i) => make("li", { style: { "--w": (values[i] / largest).toFixed(3) } }, isolated(word), " ", make("small", {}, values[i].toFixed(2))))));
  });
}
