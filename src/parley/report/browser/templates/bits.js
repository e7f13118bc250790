// Views of the bits of the Sender's last message: a table of all bits, and a view for each bit.

const PER_SIDE = 24;

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

// Return the number of dialogues in which a bit is 1, in total and by class.
function bitUse(dialogues, bit) {
  const ones = dialogues.labels.map((_, column) => dialogues.arrays.class_ones[column * dialogues.bits + bit]);
  return { ones, total: sum(ones) };
}

function bitsView(dialogues, state) {
  byId("count").textContent = "";
  const heading = make("h2", { tabindex: -1 }, "Bits of the Sender's last message");
  if (!dialogues.binary) return [heading, make("p", {}, "The messages of this run are numbers, not bits.")];
  const rows = Array.from({ length: dialogues.bits }, (_, bit) => {
    const { total } = bitUse(dialogues, bit);
    const information = dialogues.arrays.information[bit];
    return make("tr", {},
      make("th", { scope: "row" }, make("a", { href: addressOf({ ...state, view: "bit", bit: bit + 1 }) }, `Bit ${bit + 1}`)),
      make("td", { class: "value" }, make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${(100 * total) / dialogues.total}%` } })), threeDecimals(total / dialogues.total)),
      make("td", { class: "value" }, make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${100 * Math.max(0, information)}%` } })), threeDecimals(information)),
      make("td", { class: "text" }, total === 0 || total === dialogues.total ? "never changes" : ""));
  });
  return [heading,
    make("p", { class: "note" }, `Over all ${counted(dialogues.total, "dialogue")} of this run, seed and split. The entropy of the class is ${threeDecimals(dialogues.entropy)} bits. Mutual information has the Miller–Madow correction, so it can be slightly below 0.`),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of bits" }, make("table", { class: "bits" },
      make("thead", {}, make("tr", {}, ["Bit", "Fraction of 1", "Mutual information with the class (bits)"].map((title) => make("th", { scope: "col" }, title)), make("td", {}))),
      make("tbody", {}, rows)))];
}

function bitView(dialogues, state) {
  byId("count").textContent = "";
  const bit = Math.floor(numberOr(state.bit, 1)) - 1;
  if (!dialogues.binary) return bitsView(dialogues, state);
  if (bit < 0 || bit >= dialogues.bits) {
    return [...bitsView(dialogues, state), make("p", { class: "notice" }, `There is no bit ${state.bit}: the messages of this run have ${counted(dialogues.bits, "bit")}.`)];
  }
  const { ones, total } = bitUse(dialogues, bit);
  const step = (by, text) => bit + by < 0 || bit + by >= dialogues.bits ? make("span", { class: "off" }, text) : make("a", { href: addressOf({ ...state, bit: bit + by + 1 }) }, text);
  const isOne = (row) => dialogues.bit("sender", row, dialogues.length(row) - 1, bit) === 1;
  const rows = Array.from({ length: dialogues.shown }, (_, row) => row);
  return [
    make("h2", { tabindex: -1 }, `Bit ${bit + 1} of the Sender's last message`),
    make("nav", { class: "steps", "aria-label": "Bits" }, make("a", { href: addressOf({ ...state, view: "bits", bit: "" }) }, "All"), step(-1, "← Previous"), step(1, "Next →")),
    make("p", {}, `It is 1 in ${total.toLocaleString("en")} of ${counted(dialogues.total, "dialogue")} (`, make("span", { id: "bit-use" }, threeDecimals(total / dialogues.total)), "). Its mutual information with the class is ",
      make("b", { id: "bit-information" }, threeDecimals(dialogues.arrays.information[bit])), ` bits, of ${threeDecimals(dialogues.entropy)} bits of entropy.`),
    make("div", { class: "bit-page" }, classTable(dialogues, ones, total), make("div", {},
      bitImages(dialogues, state, rows.filter(isOne), "Images with the bit set"),
      bitImages(dialogues, state, rows.filter((row) => !isOne(row)), "Images without"))),
  ];
}

function classTable(dialogues, ones, total) {
  const lines = dialogues.labels.map((label, column) => ({ label, ones: ones[column], count: dialogues.arrays.class_count[column] })).filter((line) => line.count > 0);
  lines.sort((a, b) => b.ones / b.count - a.ones / a.count);
  const bar = (part, of) => make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${of ? (100 * part) / of : 0}%` } }));
  return make("div", {}, make("p", { class: "note" }, "Count: dialogues about the class. Of class: fraction of the class's dialogues that have the bit. Of bit: fraction of the dialogues with the bit that are about the class; of all: the same for all dialogues."),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The bit by class" }, make("table", { class: "classes" },
    make("thead", {}, make("tr", {}, ["Class", "Count", "With the bit", "Of class", "Of bit", "Of all"].map((title) => make("th", { scope: "col" }, title)))),
    make("tbody", {}, lines.map((line) => make("tr", {},
      make("th", { scope: "row" }, isolated(line.label)),
      make("td", {}, line.count), make("td", {}, line.ones),
      make("td", { class: "value" }, bar(line.ones, line.count), threeDecimals(line.ones / line.count)),
      make("td", {}, total ? threeDecimals(line.ones / total) : "–"), make("td", {}, threeDecimals(line.count / dialogues.total))))))));
}

// Interleave the dialogues by class, so that the first ones are not all about the same class.
function interleavedByClass(dialogues, rows) {
  const round = rounds(rows, (row) => dialogues.target(row));
  return [...rows].sort((a, b) => round.get(a) - round.get(b) || a - b);
}

function bitImages(dialogues, state, rows, title) {
  const shown = interleavedByClass(dialogues, rows).slice(0, PER_SIDE);
  return make("section", {}, make("h3", {}, title),
    make("p", { class: "note" }, rows.length === 0 ? "None." : `${rows.length.toLocaleString("en")} of ${dialogues.shown.toLocaleString("en")} on this page${shown.length < rows.length ? `; ${shown.length} are shown, interleaved by class` : ""}`),
    make("ul", { class: "cards small" }, shown.map((row) => card(dialogues, row, state))));
}
